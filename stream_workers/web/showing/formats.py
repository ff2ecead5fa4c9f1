"""How numbers, spans and instants look: units always, a dash for what is not known, the reader's time zone."""

import re
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from runtime.instants import instant
from stream_workers.web.showing.preferences import Language
from stream_workers.web.showing.wording import Text, texts

UNKNOWN = "\u2013"
_THIN = "\u202f"
# Control characters, and those that change the direction of what follows (Unicode Standard Annex 9).
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def number(value: float | None) -> str:
    """Whole, with thin spaces for thousands."""
    return UNKNOWN if value is None else f"{round(value):,}".replace(",", _THIN)


def name(text: str) -> Markup:
    """What somebody chose to be called, kept to itself: it turns no other text round, and hides nothing."""
    return Markup("<bdi>%s</bdi>") % _UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)


class Formats:
    """Formats for one language and one time zone."""

    def __init__(self, language: Language, zone: ZoneInfo) -> None:
        self._units = _units(language)
        self._comma = "," if language == "ru" else "."
        self._zone = zone

    def rate(self, value: float | None) -> str:
        """Events per second: one decimal below ten."""
        if value is None:
            return UNKNOWN
        shown = number(value) if value >= 10 or value < 0.05 else self._decimal(value)
        return f"{shown}{self._units['per_second']}"

    def span(self, seconds: float | None) -> str:
        """A span of time in at most two units."""
        if seconds is None:
            return UNKNOWN
        if seconds < 10:
            return f"{self._decimal(seconds) if seconds >= 0.05 else '0'}{_THIN}{self._units['s']}"
        minutes, rest = divmod(round(seconds), 60)
        hours, left = divmod(minutes, 60)
        days, hours_left = divmod(hours, 24)
        for big, small, names in ((days, hours_left, "d h"), (hours, left, "h min"), (minutes, rest, "min s")):
            if big:
                shown = [
                    f"{count}{_THIN}{self._units[unit]}"
                    for count, unit in zip((big, small), names.split(), strict=True)
                ]
                return " ".join(shown if small else shown[:1])
        return f"{rest}{_THIN}{self._units['s']}"

    def milliseconds(self, value: float | None) -> str:
        """Milliseconds, or seconds and more once there are ten thousand of them."""
        if value is None:
            return UNKNOWN
        return f"{number(value)}{_THIN}{self._units['ms']}" if value < 10_000 else self.span(value / 1000)

    def size(self, count: int | None) -> str:
        """Bytes."""
        if count is None:
            return UNKNOWN
        for limit, unit in ((1024 * 1024, "MB"), (1024, "KB")):
            if count >= limit:
                return f"{self._decimal(count / limit)}{_THIN}{self._units[unit]}"
        return f"{count}{_THIN}{self._units['B']}"

    def instant(self, at: float | None) -> Markup:
        """A ``<time>``: the time of day, with the date where it is not today's; the full instant on hover.

        A time beyond the calendar, which anybody can put on a topic, is a dash with its seconds on hover.
        """
        if at is None:
            return escape(UNKNOWN)
        found = instant(at)
        if found is None:
            return Markup('<span title="1970-01-01T00:00:00Z + {} s">{}</span>').format(at, UNKNOWN)
        local = found.astimezone(self._zone)
        written = local.isoformat(" ", "milliseconds")[:23]
        shown = written[11:19] if local.date() == datetime.now(self._zone).date() else written[:19]
        iso = found.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Markup('<time datetime="%s" title="%s">%s</time>') % (iso, f"{written} {self._zone.key}", shown)

    def _decimal(self, value: float) -> str:
        return f"{value:.1f}".replace(".", self._comma)


@cache
def _units(language: Language) -> dict[str, Text]:
    return {key.removeprefix("unit."): unit for key, unit in texts(language).items() if key.startswith("unit.")}
