"""`headgate keys …`: API keys, made, rotated, listed and revoked. The key itself is shown once and stored nowhere."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from cli import environment
from cli.errors import CommandError
from cli.finish import finish
from cli.listing import listing, show
from gateway.admission.api_keys import SCOPES, Scope
from gateway.admission.issued_keys import ListedKey, create_key, list_keys, revoke_key, rotate_key
from gateway.database.connection import create_engine
from gateway.settings import Settings

app = typer.Typer(help="API keys: create, rotate, list, revoke.", no_args_is_help=True)

_Answer = TypeVar("_Answer")
_SPAN = re.compile(r"([0-9]{1,5})([hd])", re.ASCII)
_UNITS = {"h": "hours", "d": "days"}
LIMIT_MAX = 1_000_000
"""More a minute than a gateway takes: whoever means no limit says so."""


Json = Annotated[bool, typer.Option("--json", help="for programs: one JSON document")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="whose key it is, for the list")],
    *,
    scope: Annotated[list[str] | None, typer.Option(help="may be given again; default: read and write")] = None,
    expires: Annotated[str, typer.Option(help="when it ends: `90d`, `12h`, or a date such as 2027-01-31 (UTC)")] = "",
    expires_days: Annotated[int, typer.Option(min=0, help="the same in days; 0 = never")] = 0,
    limit: Annotated[
        int, typer.Option(min=0, max=LIMIT_MAX, help="calls per minute; 0 = as RATE_LIMIT_PER_MINUTE says")
    ] = 0,
    own: Annotated[bool, typer.Option("--own", help="it reads only what it wrote itself")] = False,
    as_json: Json = False,
) -> None:
    """Make a key and show it, once."""
    scopes = [_scope(one) for one in scope or ["applications:write", "applications:read"]]
    if expires and expires_days:
        raise CommandError("--expires and --expires-days say the same: give one of them")
    expires_at = _time(expires or f"{expires_days}d") if expires or expires_days else None
    if own and not any(one.startswith("applications:") for one in scopes):
        raise CommandError("--own is for keys that write or read applications: give it such a --scope")
    id_, key = _with_database(
        lambda engine: create_key(engine, name, scopes, expires_at=expires_at, limit=limit, own=own)
    )
    if as_json:
        rights = {"scopes": scopes, "own": own, "limit": limit or None, "expires_at": _iso(expires_at)}
        typer.echo(json.dumps({"id": str(id_), "key": key, "name": name, **rights}, ensure_ascii=False))
        return
    typer.echo(key)
    more = (", own applications only" if own else "") + (f", {limit} calls a minute" if limit else "")
    typer.echo(f"id {id_}, scopes {', '.join(scopes)}{more}. Keep the key now: it cannot be shown again.", err=True)


@app.command()
def rotate(
    id: Annotated[UUID, typer.Argument(help="as `headgate keys list` shows it")],  # noqa: A002 -- shown to people
    *,
    overlap: Annotated[str, typer.Option(help="how long the former key still works: `24h`, `7d`, `0h`")] = "24h",
    as_json: Json = False,
) -> None:
    """Make a new key in place of one, with its name, rights, limit and end; both work for a while, then the new one.

    The new one reads what the former wrote.
    """
    ends_at = _from_now(overlap)
    made = _with_database(lambda engine: rotate_key(engine, id, ends_at=ends_at))
    if made is None:
        raise CommandError(f"there is no key {id} that is valid")
    if as_json:
        typer.echo(json.dumps({"id": str(made[0]), "key": made[1], "former": str(id), "former_until": _iso(ends_at)}))
        return
    typer.echo(made[1])
    until = f"{id} works until {ends_at:%Y-%m-%d %H:%M} UTC at the latest"
    typer.echo(f"id {made[0]}. Keep the key now: it cannot be shown again. {until}.", err=True)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Show all keys, newest first, without the keys themselves."""
    keys = _with_database(list_keys)
    if as_json:
        typer.echo(json.dumps([_fields(one) for one in keys], indent=2, ensure_ascii=False))
        return
    if not keys:
        typer.echo("No key was made yet: `headgate keys create NAME` makes one.")
        return
    table = listing("id", "name", "scopes", "own", "limit", "created", "expires", "last used", "revoked")
    for one in keys:
        table.add_row(*_cells(one))
    show(table, Console())


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


def _time(text: str) -> datetime:
    """What ``90d`` or ``12h`` from now is, or the beginning of a date that is to come."""
    if _SPAN.fullmatch(text):
        return _from_now(text)
    try:
        at = datetime.combine(date.fromisoformat(text), time.min, UTC)
    except ValueError:
        raise CommandError(f"{text} is no time: give 90d, 12h, or a date such as 2027-01-31") from None
    if at <= datetime.now(UTC):
        raise CommandError(f"{text} has passed already")
    return at


def _from_now(text: str) -> datetime:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise CommandError(f"{text} is no span of time: give hours or days, such as 24h or 7d")
    return datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _fields(key: ListedKey) -> dict[str, Any]:
    times = {name: _iso(getattr(key, name)) for name in ("created_at", "expires_at", "last_used_at", "revoked_at")}
    rights = {"name": key.name, "scopes": list(key.scopes), "own": key.own, "limit": key.limit}
    return {"id": str(key.id), **rights, **times}


def _cells(key: ListedKey) -> list[str]:
    times = (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
    rights = (" ".join(key.scopes), "yes" if key.own else "-", str(key.limit or "-"))
    return [str(key.id), key.name, *rights, *(f"{time:%Y-%m-%d %H:%M}" if time else "-" for time in times)]


def _with_database(work: Callable[[AsyncEngine], Awaitable[_Answer]]) -> _Answer:
    async def run() -> _Answer:
        engine = create_engine(environment.read(Settings))
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    return finish(run())
