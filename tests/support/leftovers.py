"""What a failed test leaves behind fails no other one, whichever runs when garbage is collected."""

import gc
import sys
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    failed = item.session.testsfailed
    done = yield
    if item.session.testsfailed > failed:
        _forget()
    return done


def _forget() -> None:
    """A gateway whose test ran out of time is still open, and says so when it is collected: here, and to nobody."""
    # pytest keeps the frames of the last failure there.
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)
    hook, sys.unraisablehook = sys.unraisablehook, sys.__unraisablehook__
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook
