"""Pages from templates: one for each page, whose block ``live`` is also what a live update replaces."""

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stream_workers.web.showing.chart import line, place, summary, table, table_width
from stream_workers.web.showing.formats import UNKNOWN, Formats, name, number
from stream_workers.web.showing.happening import told as happening
from stream_workers.web.showing.preferences import Reader
from stream_workers.web.showing.told import told
from stream_workers.web.showing.wording import Words

# Addresses in templates are those of a view that has its host for itself.
_ADDRESS = re.compile(r'((?:href|src|action|sse-connect)=")(?=/)')

MARKS = {"ok": "●", "note": "◆", "warn": "▲", "bad": "■", "unknown": "○"}


def page(name: str, reader: Reader, values: dict[str, Any]) -> str:
    """The whole page; ``root`` among the values is put before every address."""
    return _below(values["root"], _environment().get_template(f"{name}.html").render(context(reader, values)))


def regions(name: str, reader: Reader, values: dict[str, Any]) -> dict[str, str]:
    """What a live update replaces, by region."""
    template, shown = _environment().get_template(f"{name}.html"), context(reader, values)
    live = "".join(template.blocks["live"](template.new_context(shown)))
    return {
        "status": _below(values["root"], _environment().get_template("status.html").render(shown)),
        "live": _below(values["root"], live),
        "zone": Markup("<span>{}</span>").format(shown["t"]("base.zone", zone=reader.zone)),
    }


def _below(root: str, text: str) -> str:
    """What people wrote has no quotation marks any more, so that only addresses of ours are found."""
    return _ADDRESS.sub(rf"\g<1>{root}", text) if root else text


def context(reader: Reader, values: dict[str, Any]) -> dict[str, Any]:
    """What every template can use, with the values of one page."""
    formats, words = Formats(reader.language, reader.tzinfo), Words(reader.language)
    known = values | {
        "reader": reader,
        "t": words,
        "told": lambda finding, part="": told(words, formats, finding.code, finding.values, part),
        "f": formats,
        "number": number,
        "name_of": name,
        "marks": MARKS,
        "unknown": UNKNOWN,
        "line": line,
        "place": place,
        "told_of": lambda kind, values: happening(kind, values, reader.language),
        "chart_summary": summary,
        "chart_table": table,
        "chart_table_width": table_width,
    }
    return known | {"p": _environment().get_template("parts.html").make_module(known)}


class _Facts(Environment):
    """Facts are dictionaries: a name is a key of theirs first, since an attribute that there is not costs much."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@cache
def _environment() -> Environment:
    return _Facts(
        loader=PackageLoader("stream_workers.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
