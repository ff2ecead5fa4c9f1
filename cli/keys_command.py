"""`headgate keys …`: API keys, made, listed and revoked. The key itself is shown once and stored nowhere."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from cli import environment
from cli.errors import CommandError
from cli.listing import listing
from gateway.admission.api_keys import SCOPES, ListedKey, Scope, create_key, list_keys, revoke_key
from gateway.database.connection import create_engine, first_line
from gateway.settings import Settings

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)

_Answer = TypeVar("_Answer")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="whose key it is, for the list")],
    scope: Annotated[list[str] | None, typer.Option(help="may be given again; default: read and write")] = None,
    expires_days: Annotated[int, typer.Option(min=0, help="0 = never")] = 0,
) -> None:
    """Make a key and show it, once."""
    scopes = [_scope(one) for one in scope or ["applications:write", "applications:read"]]
    expires_at = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    id_, key = _with_database(lambda engine: create_key(engine, name, scopes, expires_at=expires_at))
    typer.echo(key)
    typer.echo(f"id {id_}, scopes {', '.join(scopes)}. Keep the key now: it cannot be shown again.", err=True)


@app.command("list")
def list_() -> None:
    """Show all keys, newest first, without the keys themselves."""
    table = listing("id", "name", "scopes", "created", "expires", "last used", "revoked")
    for one in _with_database(list_keys):
        table.add_row(*_cells(one))
    Console().print(table)


@app.command()
def revoke(id: Annotated[UUID, typer.Argument(help="as `headgate keys list` shows it")]) -> None:  # noqa: A002 -- shown to people
    """Revoke a key for good; running gateways refuse it within seconds."""
    if not _with_database(lambda engine: revoke_key(engine, id)):
        raise CommandError(f"there is no key {id} that could be revoked")
    typer.echo(f"revoked {id}")


def _scope(text: str) -> Scope:
    for scope in SCOPES:
        if scope == text:
            return scope
    raise CommandError(f"there is no scope {text}; there are {', '.join(SCOPES)}")


def _cells(key: ListedKey) -> list[str]:
    times = (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
    return [str(key.id), key.name, " ".join(key.scopes), *(f"{time:%Y-%m-%d %H:%M}" if time else "-" for time in times)]


def _with_database(work: Callable[[AsyncEngine], Awaitable[_Answer]]) -> _Answer:
    async def run() -> _Answer:
        engine = create_engine(environment.read(Settings))
        try:
            return await work(engine)
        except (DBAPIError, OSError) as error:
            raise CommandError(f"the database: {first_line(error)}") from error
        finally:
            await engine.dispose()

    return asyncio.run(run())
