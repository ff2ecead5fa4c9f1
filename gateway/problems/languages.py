"""Which language a person is answered in (RFC 9110, 12.5.4)."""

from typing import Literal

Language = Literal["en", "ru"]

LANGUAGES: tuple[Language, ...] = ("en", "ru")


def preferred(accept_language: str) -> Language:
    """The best of what is asked for that we have; English when nothing fits. Never an error."""
    best: Language = "en"
    best_weight = 0.0
    for part in accept_language.split(",")[:20]:
        tag, _, parameters = part.strip().partition(";")
        language = tag.partition("-")[0].strip().lower()
        weight = _weight(parameters)
        if weight > best_weight:
            known = next((one for one in LANGUAGES if one == language), "en" if language == "*" else None)
            if known:
                best, best_weight = known, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(float(value), 1.0)
    except ValueError:
        return 0.0
