"""What is written about the settings is what the code says."""

import re
from pathlib import Path

import pytest

from cli.writing.documentation import documents
from cli.writing.settings_pages import settings
from tests.support.commands import ROOT

WRITTEN = documents(ROOT)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_written_about_settings_is_current(path: Path) -> None:
    assert path.read_text() == WRITTEN[path], "`make docs` writes it anew"


def test_every_setting_says_what_it_is() -> None:
    assert [setting.name for setting in settings() if not setting.meaning] == []


def test_a_template_that_is_copied_as_it_is_changes_nothing() -> None:
    lines = (ROOT / ".env.template").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


@pytest.mark.parametrize("page", ["README", "docs/tutorial", "docs/promises"])
def test_both_languages_have_the_same_sections_and_commands(page: str) -> None:
    english, russian = (_language_free(ROOT / f"{page}{language}.md") for language in ("", ".ru"))
    assert english
    assert english == russian


def _language_free(path: Path) -> list[str]:
    """The level of each heading, and each block of code but for drawings, in order."""
    text = path.read_text()
    parts = re.findall(r"^(##+) |^```(?!mermaid)(\w+\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [level or block for level, block in parts]
