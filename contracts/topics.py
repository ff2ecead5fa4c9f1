"""The names of the topics; a prefix keeps several stacks apart on one broker."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topics:
    """``prefix`` is put in front of every one of them, and of consumer groups ("" in production)."""

    prefix: str = ""

    @property
    def applications(self) -> str:
        return f"{self.prefix}applications"

    @property
    def happened(self) -> str:
        """What happened to the parts of Headgate, kept by a metrics worker: nothing of any application."""
        return f"{self.prefix}headgate-events"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}applications-dead-letters"
