"""The command line of `headgate retention`."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.filesize import decimal

from cli import environment
from cli.errors import CommandError
from cli.finish import Report, finish, progress
from cli.removal.removal import database, only_one
from cli.removal.retention import Plan, cutoff, expire, plan
from cli.settings import Settings as CommandSettings
from gateway.database.partitions import months_ahead
from gateway.settings import Settings


def retention(
    *,
    keep_months: Annotated[
        int | None, typer.Option(min=1, help="Keep so many months before this one; by default RETENTION_MONTHS.")
    ] = None,
    before: Annotated[datetime | None, typer.Option(help="Remove what was accepted before then; UTC.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Remove old applications from PostgreSQL: whole months at once, the rest in small steps. May be repeated.

    What is still to be published stays. Months ahead are made on the way, so that one nightly job does both.
    """
    settings = environment.read(Settings)
    until = _until(keep_months, before)
    with progress("months ahead"):
        finish(_months_ahead(settings))
    if until is None:
        _say({"before": None, "removed": 0}, "RETENTION_MONTHS is 0: everything is kept", as_json=as_json)
        return
    with progress("looking"):
        planned = finish(_plan(settings, until))
    if not as_json:
        typer.echo("\n".join(_lines(planned)))
    removed = 0
    if not dry_run and planned.total:
        if not yes:
            typer.confirm("Remove this for good?", abort=True, err=True)
        with progress("removing") as report:
            removed = finish(_expire(settings, planned, report))
    _say(planned.to_fields() | {"removed": removed}, "" if dry_run else f"{removed} removed", as_json=as_json)


def _until(keep_months: int | None, before: datetime | None) -> datetime | None:
    if keep_months is not None and before is not None:
        raise CommandError("say either --keep-months or --before")
    if before is not None:
        return before.replace(tzinfo=before.tzinfo or UTC)
    months = keep_months or environment.read(CommandSettings).retention_months
    return cutoff(keep_months=months, now=datetime.now(UTC)) if months else None


async def _months_ahead(settings: Settings) -> None:
    async with database(settings) as engine:
        await months_ahead(engine)


async def _plan(settings: Settings, until: datetime) -> Plan:
    async with database(settings) as engine:
        return await plan(engine, until)


async def _expire(settings: Settings, planned: Plan, report: Report) -> int:
    removed = 0
    async with database(settings) as engine, only_one(engine):
        async for rows in expire(engine, planned):
            removed += rows
            report(removed, planned.total)
    return removed


def _lines(planned: Plan) -> list[str]:
    return [
        f"accepted before {planned.before:%Y-%m-%d %H:%M} UTC:",
        *(f"  {table.name}  {table.rows} applications, {decimal(table.bytes)}" for table in planned.partitions),
        f"  {planned.rows} applications outside whole months",
        *([f"  {planned.kept} stay: Kafka does not have them yet"] if planned.kept else []),
    ]


def _say(fields: dict[str, object], line: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(fields, indent=2))
    elif line:
        typer.echo(line)
