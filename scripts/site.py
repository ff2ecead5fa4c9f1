"""What the site of docs/ has of the rest of the repository; mkdocs calls this, see mkdocs.yml.

A page may lead to any file of the repository. On the site those beyond docs/ are below `repository/`, with all that
they lead to in turn.
"""

import os
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS, BEYOND = PurePosixPath("docs"), PurePosixPath("repository")
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)[^)#\s]+")
_CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """With every file beyond docs/ that a page leads to."""
    waiting = sorted(path.relative_to(ROOT) for path in (ROOT / DOCS).rglob("*.md"))
    found = set(waiting)
    while waiting:
        page = waiting.pop()
        targets = {Path(os.path.normpath(page.parent / link)) for link in _links(ROOT / page)}
        new = {target for target in targets - found if (ROOT / target).is_file()}
        found |= new
        waiting += [target for target in new if target.suffix == ".md"]
    for path in sorted(found):
        if not path.is_relative_to(DOCS):
            files.append(File.generated(config, str(BEYOND / path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 -- as mkdocs calls it
    """Links lead to where the files are on the site."""
    here = PurePosixPath(page.file.src_uri)
    folder = (here.relative_to(BEYOND) if here.is_relative_to(BEYOND) else DOCS / here).parent

    def moved(link: re.Match[str]) -> str:
        target = PurePosixPath(os.path.normpath(folder / link[0]))
        place = target.relative_to(DOCS) if target.is_relative_to(DOCS) else BEYOND / target
        return os.path.relpath(place, here.parent) if str(place) in files.src_uris else link[0]

    parts = _CODE.split(markdown)
    return "".join(part if number % 2 else _LINK.sub(moved, part) for number, part in enumerate(parts))


def _links(page: Path) -> list[str]:
    return _LINK.findall("".join(_CODE.split(page.read_text())[::2]))
