"""The words of the pages in English and Russian, with plural forms; values put into a text are escaped.

Plural rules: Unicode CLDR, cardinal. A text with forms is a table whose keys are CLDR's categories, chosen by ``n``.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from stream_workers.web.showing.preferences import Language

Text = Markup | Mapping[str, Markup]
# What stands in backticks is to be typed.
_CODE = re.compile("`([^`]+)`")


class Words:
    """``words("partitions.title")``, with ``n`` the number that decides the form, and any other values by name."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._texts = texts(language)

    def __call__(self, key: str, /, **values: Any) -> Markup:
        text = self._texts[key]
        if not isinstance(text, str):
            text = text[plural(self._language, values["n"])]
        return text.format(**values) if values else text

    def __contains__(self, key: str) -> bool:
        return key in self._texts


def plural(language: Language, n: int) -> str:
    """The category of a whole number: ``one``, ``few``, ``many`` or ``other``."""
    if language == "en":
        return "one" if n == 1 else "other"
    if n % 10 == 1 and n % 100 != 11:
        return "one"
    return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "many"


@cache
def texts(language: Language) -> dict[str, Text]:
    """All texts of a language by dotted key."""
    source = files("stream_workers.web").joinpath("words", f"{language}.toml").read_text("utf-8")
    return {
        f"{section}.{name}": _marked(text) if isinstance(text, str) else {form: _marked(text[form]) for form in text}
        for section, entries in tomllib.loads(source).items()
        for name, text in entries.items()
    }


def _marked(text: str) -> Markup:
    return Markup(_CODE.sub(r"<code>\1</code>", text))  # noqa: S704 -- the catalogue is ours
