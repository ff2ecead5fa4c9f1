"""What changed between two looks: a subject that became worse or better, not a number that moved."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from cli.doctor.examination import Examined
from cli.doctor.finding import Finding, Status, ok
from cli.listing import printable

_WEIGHT: dict[Status, int] = {"failed": 0, "warning": 1, "ok": 2}


class Told(NamedTuple):
    """A subject that is not well, as it was told last, and the part of the doctor that looks at it."""

    status: Status
    part: str


@dataclass(frozen=True)
class Change:
    """A subject that is now as ``finding`` says, and was ``before``."""

    part: str
    before: Status
    finding: Finding

    def to_fields(self) -> dict[str, str]:
        return {"at": datetime.now(UTC).isoformat(timespec="seconds"), "before": self.before, **asdict(self.finding)}

    def lines(self) -> str:
        """For people: what is found, and how to mend it."""
        fields = self.to_fields()
        told = f"{fields['at']} {fields['status']:<7} {fields['what']}: {fields['found']}"
        return "\n".join(map(printable, [told, *([f"  → {fields['remedy']}"] if fields["remedy"] else [])]))


def changes(known: Mapping[str, Told], examined: Examined) -> list[Change]:
    """What is to be told, in the doctor's order; a subject that was never told is taken to have been well."""
    found = {}
    for part, findings in examined.items():
        for finding in sorted(findings, key=lambda finding: _WEIGHT[finding.status], reverse=True):
            before = known[finding.what].status if finding.what in known else "ok"
            found[finding.what] = Change(part, before, finding)
    gone = [
        Change(told.part, told.status, ok(what, "no longer found"))
        for what, told in known.items()
        if what not in found and is_whole(examined.get(told.part))
    ]
    return [change for change in (*found.values(), *gone) if change.finding.status != change.before]


def is_whole(findings: list[Finding] | None) -> bool:
    """Whether a part said all that it can: what fails hides what comes after it, and silence is no recovery."""
    return findings is not None and not any(finding.status == "failed" for finding in findings)
