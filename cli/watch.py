"""What is done about a process of the stack that ends by itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import typer

from cli import services
from cli.errors import CommandError
from devstack.child import Child

# What ends so soon after its start would end again.
SOON_SECONDS = 10.0
# In a cluster others stand in for what ended: long enough to see on the page what its absence does.
AWAY_SECONDS = 10.0


@dataclass
class Part:
    """One process of the stack: the one that runs ``now``, and how it is started ``again``."""

    now: Callable[[], Child]
    again: Callable[[], object]
    ended_at: float | None = None

    def look(self, *, away: float) -> None:
        """Start it again if it has ended: after ``away`` seconds, or at once if it asks for that.

        Raises CommandError with the last words of one that ended soon after its start.
        """
        child = self.now()
        if child.running:
            return
        asks = services.asks_for_another_start(child)
        if self.ended_at is None:
            if child.age < SOON_SECONDS and not asks:
                raise CommandError(child.epitaph())
            typer.echo(f"{child.name} has ended with status {child.process.poll()}; its log is {child.log}")
            self.ended_at = time.monotonic()
        if asks or time.monotonic() - self.ended_at >= away:
            self.again()
            self.ended_at = None
            typer.echo(f"{child.name} is started again")
