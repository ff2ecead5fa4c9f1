"""Pages from templates: one for each page, whose block ``live`` is also what a live update replaces."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stream_workers.web.chart import line, summary, table
from stream_workers.web.formats import UNKNOWN, Formats, number
from stream_workers.web.preferences import Reader
from stream_workers.web.wording import Words

MARKS = {"ok": "●", "note": "◆", "warn": "▲", "bad": "■", "unknown": "○"}


def page(name: str, reader: Reader, values: dict[str, Any]) -> str:
    """The whole page."""
    return _environment().get_template(f"{name}.html").render(_context(reader, values))


def regions(name: str, reader: Reader, values: dict[str, Any]) -> dict[str, str]:
    """What a live update replaces, by region."""
    page_template, context = _environment().get_template(f"{name}.html"), _context(reader, values)
    live = page_template.blocks["live"](page_template.new_context(context))
    return {
        "status": _environment().get_template("status.html").render(context),
        "live": "".join(live),
        "zone": Markup("<span>{}</span>").format(context["t"]("base.zone", zone=reader.zone)),
    }


def _context(reader: Reader, values: dict[str, Any]) -> dict[str, Any]:
    formats = Formats(reader.language, reader.tzinfo)
    context = values | {
        "reader": reader,
        "t": Words(reader.language),
        "f": formats,
        "number": number,
        "marks": MARKS,
        "unknown": UNKNOWN,
        "line": line,
        "chart_summary": summary,
        "chart_table": table,
    }
    return context | {"p": _environment().get_template("parts.html").make_module(context)}


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("stream_workers.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
