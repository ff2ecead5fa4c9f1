"""Every connection begins in one place: one that is opened elsewhere would not get into a secured PostgreSQL."""

import ast
from collections.abc import Iterator

from tests.support.commands import ROOT

_PACKAGES = ("gateway", "stream_workers", "migrations", "cli", "runtime")
_PLACES = {
    "runtime/postgresql/pooler.py": {"asyncpg.connect"},
    "gateway/database/connection.py": {"create_async_engine"},
}
_OPENERS = {"asyncpg.connect", "asyncpg.create_pool", "create_async_engine", "create_engine_from_config", "make_url"}


def sources() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            yield str(path.relative_to(ROOT)), path.read_text()


def opened(source: str) -> set[str]:
    """What this source names that leads to a connection."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute | ast.Name))
    return {ast.unparse(node) for node in nodes} & _OPENERS


def test_no_connection_is_opened_elsewhere() -> None:
    found = {path: names for path, source in sources() if (names := opened(source))}
    assert found == _PLACES


def test_one_that_is_opened_elsewhere_is_found() -> None:
    assert opened("connection = await asyncpg.connect(url)") == {"asyncpg.connect"}


def test_the_url_alone_leads_nowhere() -> None:
    """Whoever takes the setting itself would leave out how to get in."""
    assert [path for path, source in sources() if "database_url.get_secret_value" in source] == []
