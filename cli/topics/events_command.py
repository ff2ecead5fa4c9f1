"""`headgate events`: what happened to the parts, as the web view shows it."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
import typer

from cli import environment
from cli.finish import finish
from cli.listing import printable
from runtime.instants import instant
from stream_workers.chronicle.happened import Happened
from stream_workers.chronicle.topic import Chronicle, Known
from stream_workers.errors import KafkaAwayError
from stream_workers.kafka.broker import Broker
from stream_workers.settings import Settings
from stream_workers.web.showing.happening import told
from stream_workers.web.showing.render import MARKS
from stream_workers.web.trends.happenings import all_of, fields_of

_FOLLOW_SECONDS = 2.0
_SPANS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def events(
    *,
    since: Annotated[str, typer.Option(help="How far back: 30m, 24h, 7d, or a time: 2026-11-28T18:00Z.")] = "24h",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each.")] = False,
) -> None:
    """What happened: gateways and workers that came and went, outages, dead letters, deployments."""
    first = since_when(since, datetime.now(UTC))
    settings = environment.read(Settings)
    try:
        finish(_show(settings, first.timestamp(), follow=follow, as_json=as_json))
    except KeyboardInterrupt:
        sys.exit(0)


def since_when(text: str, now: datetime) -> datetime:
    """The instant that a person means; BadParameter if none."""
    try:
        if found := re.fullmatch(r"(\d{1,6})([smhd])", text.strip()):
            return now - timedelta(seconds=int(found[1]) * _SPANS[found[2]])
        when = datetime.fromisoformat(text.strip())
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is neither a span such as 24h nor a time", param_hint="--since") from None


async def _show(settings: Settings, since: float, *, follow: bool, as_json: bool) -> None:
    shown = 0
    async for known in _known(settings, follow=follow):
        found = all_of(known.happened[max(0, len(known.happened) - (known.total - shown)) :], since=since)
        shown = known.total
        for each in found:
            typer.echo(orjson.dumps(fields_of(each)).decode() if as_json else line(each))
        if not (found or follow or as_json):
            typer.echo(f"Nothing happened since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC.")


async def _known(settings: Settings, *, follow: bool) -> AsyncIterator[Known]:
    async with await Broker.connected(settings.kafka) as broker:
        chronicle = Chronicle(settings.kafka, settings.topics, broker)
        yield await chronicle.read()
        while follow:
            await asyncio.sleep(_FOLLOW_SECONDS)
            with suppress(KafkaAwayError):  # that it was away is told once it is back
                yield await chronicle.read()


def line(each: Happened) -> str:
    """One line for people; what a terminal would obey is shown as what it is."""
    at = instant(each.at)
    when = at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else str(each.at)
    text = told(each.kind, each.values, "en").unescape().replace("\u202f", " ")
    return f"{when}  {MARKS[each.level]} {printable(text)}"
