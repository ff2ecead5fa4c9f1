"""The command line of `headgate forget`."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from cli import environment
from cli.errors import CommandError
from cli.finish import Report, finish, progress
from cli.removal.forget import Found, Remains, erase, find, past, remains
from cli.removal.removal import database, only_one
from contracts import UserName
from gateway.settings import Settings


def forget(
    user: Annotated[str, typer.Argument(help="The name as it was submitted, accents in either form.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Erase a person's applications from PostgreSQL, and say what remains elsewhere and until when. May be repeated.

    What is still to be published stays until it is: run it again then. The ids are kept, and nothing else.
    """
    settings, name = environment.read(Settings), _name(user)
    with progress("looking"):
        found = finish(_find(settings, name))
        places = finish(remains(settings.kafka, settings.topics, found.newest or datetime.now(UTC)))
    if not as_json:
        typer.echo("\n".join(_lines(found, places)))
    erased = 0
    if not dry_run and found.erasable:
        if not yes:
            typer.confirm("Erase them for good?", abort=True, err=True)
        with progress("erasing") as report:
            erased = finish(_erase(settings, name, found.erasable, report))
    if as_json:
        typer.echo(json.dumps(_fields(found, places) | {"erased": erased}, indent=2))
    elif not dry_run:
        typer.echo(f"{erased} erased" + (f"; run it again for the {found.waiting} others" if found.waiting else ""))


_UNKNOWN = "Kafka does not say until when"


def _name(user: str) -> str:
    try:
        return TypeAdapter(UserName).validate_python(user)
    except ValidationError as error:
        raise CommandError(f"this is no user name: {error.errors()[0]['msg']}") from None


async def _find(settings: Settings, name: str) -> Found:
    async with database(settings) as engine, engine.connect() as connection:
        return await find(connection, name)


async def _erase(settings: Settings, name: str, total: int, report: Report) -> int:
    erased = 0
    async with database(settings) as engine, only_one(engine), engine.connect() as connection:
        async for rows in erase(connection, name):
            erased += rows
            report(erased, total)
    return erased


def _fields(found: Found, places: list[Remains]) -> dict[str, Any]:
    newest = found.newest.isoformat() if found.newest else None
    numbers = {"erasable": found.erasable, "waiting": found.waiting, "newest": newest}
    return numbers | {"remains": [place.to_fields() for place in places]}


def _lines(found: Found, places: list[Remains]) -> list[str]:
    waiting = [f"{found.waiting} are still to be published and stay until then"] if found.waiting else []
    return [
        f"{found.erasable} applications in PostgreSQL",
        *waiting,
        "what of them may be elsewhere:",
        *(f"  {place.where}: {place.what} ({_until(place.until) if place.known else _UNKNOWN})" for place in places),
    ]


def _until(instant: datetime | None) -> str:
    if instant is None:
        return "nothing ends it by itself, as far as can be seen from here"
    return f"until {instant:%Y-%m-%d %H:%M} UTC{', which is over' if past(instant) else ''}"
