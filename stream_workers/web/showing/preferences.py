"""Who reads: language, time zone and theme, from cookies that the preferences form sets, else from the browser."""

from dataclasses import dataclass
from functools import cache
from typing import Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiohttp.web import Request, StreamResponse

Language = Literal["en", "ru"]
Theme = Literal["auto", "light", "dark"]

LANGUAGES: tuple[Language, ...] = ("en", "ru")
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")

_YEAR_SECONDS = 365 * 86_400
_COOKIES = {"lang": "headgate_lang", "tz": "headgate_tz", "theme": "headgate_theme"}


@dataclass(frozen=True)
class Reader:
    """``zone`` is an IANA name that exists here."""

    language: Language
    zone: str
    theme: Theme

    @property
    def tzinfo(self) -> ZoneInfo:
        return _zone(self.zone) or ZoneInfo("UTC")


def reader_of(request: Request) -> Reader:
    """``?lang=`` holds for one request, so that a link can carry it."""
    language = _known(request.query.get("lang"), LANGUAGES) or _known(_cookie(request, "lang"), LANGUAGES)
    zone = _cookie(request, "tz") or "UTC"
    return Reader(
        language=cast("Language", language or _preferred(request.headers.get("Accept-Language", ""))),
        zone=zone if _zone(zone) else "UTC",
        theme=cast("Theme", _known(_cookie(request, "theme"), THEMES) or "auto"),
    )


def remember(response: StreamResponse, *, lang: str | None, tz: str | None, theme: str | None) -> None:
    """Set the cookies of the choices that make sense; the others stay as they were."""
    chosen = {
        "lang": _known(lang, LANGUAGES),
        "tz": tz if tz and _zone(tz) else None,
        "theme": _known(theme, THEMES),
    }
    for name, value in chosen.items():
        if value:
            response.set_cookie(_COOKIES[name], value, max_age=_YEAR_SECONDS, samesite="Lax", path="/")


def _cookie(request: Request, name: str) -> str | None:
    return request.cookies.get(_COOKIES[name])


def _known(value: str | None, choices: tuple[str, ...]) -> str | None:
    return value if value in choices else None


def _preferred(accepted: str) -> Language:
    """The first of our languages in Accept-Language (RFC 9110, 12.5.4) by weight; English if there is none."""
    weighted: list[tuple[float, Language]] = []
    for part in accepted.split(","):
        tag, _, weight = part.strip().partition(";q=")
        primary = _known(tag.split("-")[0].lower(), LANGUAGES)
        if primary:
            weighted.append((_weight(weight), cast("Language", primary)))
    best: tuple[float, Language] = max(weighted, key=lambda pair: pair[0], default=(0.0, "en"))
    return best[1]


def _weight(text: str) -> float:
    try:
        return float(text or "1")
    except ValueError:
        return 0.0


@cache
def _zone_names() -> frozenset[str]:
    from zoneinfo import available_timezones

    return frozenset(available_timezones())


def _zone(name: str) -> ZoneInfo | None:
    """The zone of an IANA name, or None; a name from outside never becomes a path."""
    if name not in _zone_names():
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
