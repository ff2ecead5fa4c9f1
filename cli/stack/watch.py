"""What is done about a process of the stack that ends by itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import typer

from cli.errors import CommandError
from cli.stack import services
from devstack.child import Child

# What ends so soon after it was started again would end once more.
SOON_SECONDS = 10.0
# In a cluster others stand in for what ended: long enough to see on the page what its absence does.
AWAY_SECONDS = 10.0


@dataclass
class Part:
    """One process of the stack: the one that runs ``now``, and how it is started ``again``."""

    now: Callable[[], Child]
    again: Callable[[], object]
    restarted_at: float = -inf
    ended_at: float | None = None

    def look(self, *, away: float) -> None:
        """Start it again if it has ended: after ``away`` seconds, or at once if it asks for that.

        Raises CommandError with its last words where it does not last once it is started again.
        """
        child = self.now()
        if child.running:
            return
        asks = services.asks_for_another_start(child)
        if self.ended_at is None:
            if not asks and time.monotonic() - self.restarted_at < SOON_SECONDS:
                raise CommandError(child.epitaph())
            typer.echo(f"{child.name} has ended with status {child.process.poll()}; its log is {child.log}")
            self.ended_at = time.monotonic()
        if asks or time.monotonic() - self.ended_at >= away:
            self.again()
            self.restarted_at, self.ended_at = time.monotonic(), None
            typer.echo(f"{child.name} is started again")
