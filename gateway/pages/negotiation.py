"""Whether a page or its JSON is asked for (RFC 9110, 12.5.1)."""

from fastapi import Request

_JSON = ("application/json", "application/problem+json", "application/*")
_HTML = ("text/html", "application/xhtml+xml", "text/*")


def wants_json(request: Request) -> bool:
    """JSON is for who asks for it and not as much for a page; browsers, and who says nothing, get the page."""
    weights = dict(map(_weight, request.headers.get("accept", "").lower().split(",")))
    json, html = (max(weights.get(name, 0.0) for name in names) for names in (_JSON, _HTML))
    return json > html


def _weight(entry: str) -> tuple[str, float]:
    media_type, *parameters = (part.strip() for part in entry.split(";"))
    quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
    digits = quality.replace(".", "", 1)
    return media_type, float(quality) if digits.isascii() and digits.isdigit() and len(quality) <= 5 else 0.0
