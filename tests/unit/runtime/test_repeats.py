"""The filter of what libraries repeat in the log."""

import logging

from runtime.repeats import Repeats


def test_what_a_library_repeats_is_told_once() -> None:
    now = [0.0]
    passes = Repeats(("aiokafka",), clock=lambda: now[0]).filter

    def record(logger: str, level: int, text: str, *values: object) -> logging.LogRecord:
        return logging.LogRecord(logger, level, __file__, 1, text, values, None)

    assert passes(record("aiokafka.conn", logging.WARNING, "no connection to %s", "a"))
    assert not passes(record("aiokafka.conn", logging.WARNING, "no connection to %s", "b"))
    assert passes(record("aiokafka.conn", logging.ERROR, "no connection to %s", "b"))
    assert passes(record("gateway.commit.writer", logging.WARNING, "ours"))
    assert passes(record("gateway.commit.writer", logging.WARNING, "ours"))
    for now[0] in (50.0, 100.0, 150.0):
        assert not passes(record("aiokafka.conn", logging.WARNING, "no connection to %s", "a"))
    now[0] = 220.0
    assert passes(record("aiokafka.conn", logging.WARNING, "no connection to %s", "a"))
