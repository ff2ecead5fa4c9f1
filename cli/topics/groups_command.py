"""`headgate topics groups`: who reads the applications, as the web view shows it."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import environment
from cli.finish import finish
from cli.listing import listing, printable, show
from cli.numeric import numeric
from stream_workers.books.state import State, from_json
from stream_workers.books.states import read_states
from stream_workers.consumers.asked import GROUPS_MAX
from stream_workers.consumers.watched import Consumers, Watched
from stream_workers.kafka.broker import Broker
from stream_workers.kinds import METRICS
from stream_workers.settings import Settings
from stream_workers.web.showing.formats import UNKNOWN, Formats, number
from stream_workers.web.showing.preferences import Reader
from stream_workers.web.trends.reading import fields_of, trend


def groups(
    *,
    over: Annotated[float, numeric("Seconds between the two looks of the trend.", min=1, max=600)] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each group.")] = False,
) -> None:
    """Every consumer group that reads the applications: its lag with the trend, and when it is too late."""
    settings = environment.read(Settings)
    found = finish(_look(settings, over))
    if as_json:
        for consumer in found.found:
            partitions = [vars(partition) for partition in consumer.partitions]
            typer.echo(orjson.dumps(fields_of(consumer, settings.topics) | {"partitions": partitions}).decode())
        return
    if not found.found:
        typer.echo("Nobody reads the applications: no group has committed an offset or owns a partition.")
        return
    show(_table(found), Console())
    if found.total > GROUPS_MAX:
        typer.echo(f"{found.total - GROUPS_MAX} further groups were not asked for", err=True)
    if found.retention_why:
        typer.echo(f"Kafka does not tell how long the topic keeps events: {found.retention_why}", err=True)


async def _look(settings: Settings, over: float) -> Consumers:
    states = await read_states(settings.kafka, settings.topics, METRICS)
    decoded: Mapping[int, State] = {partition: from_json(value) for partition, value in states.values.items()}
    async with await Broker.connected(settings.kafka) as broker:
        watched = Watched(settings.kafka, settings.topics.applications, broker, lambda: decoded)
        await watched.ask()
        await asyncio.sleep(over)
        return await watched.ask()


def _table(found: Consumers) -> Table:
    formats = Formats("en", Reader("en", "UTC", "auto").tzinfo)
    table = listing("group", "state", "lag", "lag in time", "trend", "members", "too late in")
    for each in found.found:
        grown = trend(each) or UNKNOWN
        keeps = each.too_late_in == float("inf")
        late = f"{number(each.lost)} lost" if each.lost else "keeps up" if keeps else formats.span(each.too_late_in)
        table.add_row(
            Text(printable(each.group)),
            each.why or each.state or UNKNOWN,
            number(each.lag),
            formats.span(each.lag_seconds),
            f"{grown} {formats.rate(abs(each.growth))}" if each.growth and grown != "steady" else grown,
            number(len(each.members)) if each.members is not None else UNKNOWN,
            late,
        )
    return table
