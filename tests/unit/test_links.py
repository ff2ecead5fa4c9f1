"""Links between pages lead somewhere, the commands that pages name exist, and the site builds."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.commands import ROOT, exists, options

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
    if ".venv" not in path.parts
)
COMMAND = re.compile(r"(?:`|^\s*|\.venv/bin/)headgate ((?:[a-z]+(?:-[a-z]+)*)(?: [a-z]+(?:-[a-z]+)*)*)", re.MULTILINE)
# The rest of the command: up to the end of the code, a comment or the cell of a table.
USE = re.compile(COMMAND.pattern + r"([^`\n#|]*)", re.MULTILINE)

# What `make bench` and `make bench-docs` write, and what the recipes of docs/extending.md make.
_MADE = {"bench/results/", "docs/benchmark.svg"} | {
    name
    for patch in (ROOT / "tests/recipes").glob("*.patch")
    for name in re.findall(r"^--- /dev/null\n\+\+\+ b/(.*)$", patch.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_something(page: Path) -> None:
    dead = [target for target in _targets(page) if not _leads_somewhere(page, target)]
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_named_exists(page: Path) -> None:
    named = {tuple(found.split(" ")[:2]) for found in COMMAND.findall(page.read_text())}
    assert {words for words in named if not exists(*words)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_that_is_named_exists(page: Path) -> None:
    uses = [
        (words.split(" ")[:2], re.findall(r"--[a-z][a-z-]*", rest)) for words, rest in USE.findall(page.read_text())
    ]
    assert [(words, named) for words, named in uses if named and not set(named) <= options(*words)] == []


def test_the_site_builds_without_a_warning_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    pages = {path: _Page(path) for path in tmp_path.rglob("*.html")}
    assert [f"{path}: {link}" for path, page in pages.items() for link in page.links if not _is_there(path, link)] == []
    drawings = (tmp_path / "drawings/index.html").read_text()
    assert '<pre class="mermaid">' in drawings
    assert "vendor/mermaid/mermaid.tiny.js" in drawings, "the theme would fetch one from another host"
    assert {"tutorial", "tutorial.ru", "repository", "repository/README.ru"} <= _listed(tmp_path)


class _Page(HTMLParser):
    """The links of a page of the site, those to other hosts left out; the page of what is not there has the root's."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        if path.name != "404.html":
            self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if tag in {"a", "img", "link", "script"} and name in {"href", "src"} and value:
                self.links |= set() if re.match(r"\w+:|#", value) else {value}


def _is_there(page: Path, link: str) -> bool:
    target = page.parent / re.split(r"[?#]", link)[0]
    return (target / "index.html").is_file() or target.is_file()


def _listed(site: Path) -> set[str]:
    """The pages that the site's search finds."""
    found = json.loads((site / "search/search_index.json").read_text())["docs"]
    return {entry["location"].partition("#")[0].rstrip("/") for entry in found}


def _targets(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"https?:|mailto:", target)]


def _leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists():
        return False
    return not anchor or anchor in _anchors(path)


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`([a-z_]+/[\w/.-]*)`", page.read_text()))
    ours = {name for name in named if (ROOT / name.split("/")[0]).is_dir()}
    assert {name for name in ours - _MADE if not (ROOT / name).exists()} == set()
