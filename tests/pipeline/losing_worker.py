"""A worker whose consumer loses a fetched batch now and then, for tests only.

Faust does so in some rebalances, on one machine in every second series and on another hardly ever. Here it happens
often enough for a series to prove something: the real worker must notice each time and read again.
"""

import sys
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from cli.main import main
from stream_workers.kafka.batches import Batch, BatchConsumer

ONE_IN = 10


def lose() -> None:
    """Let every consumer of this process lose batches of the source topic."""
    number = count(1)
    whole = BatchConsumer._messages

    def some(self: BatchConsumer, fetched: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
        for tp, message in whole(self, fetched):
            if isinstance(message, Batch) and next(number) % ONE_IN == 0:
                self.app.room.taken(message.weight)
            else:
                yield tp, message

    setattr(BatchConsumer, "_messages", some)  # noqa: B010 -- mypy knows no assignment to a method


if __name__ == "__main__":
    lose()
    sys.argv[1:1] = ["worker"]
    main()
