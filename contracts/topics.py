"""The names of topics and consumer groups; a prefix keeps several stacks apart on one broker."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topics:
    """Topic and group names. ``prefix`` is put in front of every one of them ("" in production)."""

    prefix: str = ""

    @property
    def applications(self) -> str:
        return f"{self.prefix}applications"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}applications-dead-letters"

    @property
    def journal(self) -> str:
        """Faust app id and consumer group of the journal."""
        return f"{self.prefix}journal"

    @property
    def metrics(self) -> str:
        """Faust app id and consumer group of the metrics worker."""
        return f"{self.prefix}metrics"

    @property
    def journal_changelog(self) -> str:
        return f"{self.journal}-{JOURNAL_TABLE}-changelog"

    @property
    def metrics_changelog(self) -> str:
        return f"{self.metrics}-{METRICS_TABLE}-changelog"


JOURNAL_TABLE = "positions"
METRICS_TABLE = "counters"
