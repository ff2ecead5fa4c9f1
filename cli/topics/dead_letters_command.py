"""`headgate dead-letters`: look at what could not be read, and send it again."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from cli import environment
from cli.errors import CommandError
from cli.finish import Report, finish, progress
from cli.listing import decoded, printable
from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books import repair
from stream_workers.letters.dead_letters import DeadLetter
from stream_workers.letters.letters import Letter, Limits, newest_letters, read_letters
from stream_workers.letters.redrive import redrive
from stream_workers.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Events that could not be read: look at them, send them again.")

Reason = Annotated[str | None, typer.Option(help="Only those with this reason, such as `invalid`.")]
Origin = Annotated[str | None, typer.Option(help="Only the one from PARTITION/OFFSET.")]

_NO_LETTER = "there is no dead letter from {}; `headgate dead-letters list` lists them"


@app.command("list")
def list_letters(
    *,
    reason: Reason = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those not redriven yet.")] = False,
    newest: Annotated[
        int | None, typer.Option(min=1, help="Only so many, the newest first; reads no more of the topic.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each.")] = False,
) -> None:
    """List dead letters, one line for each origin, however often it was written."""

    def wanted(letter: Letter) -> bool:
        return reason in {None, letter.dead.reason} and not (waiting and letter.state == "redriven")

    letters = _newest(wanted, newest) if newest else [letter for letter in _all(reason=reason) if wanted(letter)]
    for letter in letters:
        typer.echo(json.dumps(_fields(letter)) if as_json else _line(letter))
    if not as_json:
        typer.echo(f"{len(letters)} dead letter{'s' * (len(letters) != 1)}", err=True)


@app.command()
def show(
    origin: Annotated[str, typer.Argument(help="PARTITION/OFFSET, as listed.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with all of its bytes.")] = False,
) -> None:
    """Show one dead letter: where it was, why it is here, its headers and its bytes."""
    found = _newest(lambda letter: _where(letter.dead) == origin, 1)
    if not found:
        raise CommandError(_NO_LETTER.format(origin))
    dead = found[0].dead
    if as_json:
        content = {"key": decoded(dead.key), "value": decoded(dead.value)}
        headers = [[name, decoded(value)] for name, value in dead.headers]
        typer.echo(json.dumps(_fields(found[0]) | content | {"headers": headers}))
        return
    typer.echo(_line(found[0]))
    typer.echo(f"  detail  {printable(dead.detail)}")
    typer.echo(f"  key     {_bytes(dead.key)}")
    for name, value in dead.headers:
        typer.echo(f"  {printable(name)}: {_bytes(value)}")
    typer.echo(f"  {_bytes(dead.value)}")


@app.command("redrive")
def redrive_letters(
    *,
    reason: Reason = None,
    origin: Origin = None,
    unreadable: Annotated[
        bool, typer.Option("--unreadable", help="Also what this version cannot read: it will come back.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
) -> None:
    """Send dead letters to the topic again, each once; a run that was cut short goes on where it was."""
    found = _all(reason=reason, origin=origin)
    if origin and not found:
        raise CommandError(_NO_LETTER.format(origin))
    chosen = [letter for letter in found if letter.state != "redriven"]
    whole = [letter for letter in chosen if letter.unsendable is None]
    sent = [letter for letter in whole if unreadable or letter.unreadable is None]
    if len(whole) < len(chosen):
        typer.echo(f"{len(chosen) - len(whole)} cannot be sent: neither key nor value, or not all of it was kept")
    if len(sent) < len(whole):
        typer.echo(f"{len(whole) - len(sent)} would be dead letters again (--unreadable sends them all the same)")
    if dry_run:
        for letter in sent:
            typer.echo(_line(letter))
        typer.echo(f"{len(sent)} would be sent")
        return
    settings = environment.read(Settings)
    with progress("redriving") as report:
        done = finish(_redrive(settings.kafka, settings.topics, sent, report))
    typer.echo(f"{done} redriven")


@app.command()
def release() -> None:
    """Let the breaker go that stopped counting: the next bad events become dead letters again."""
    settings = environment.read(Settings)
    released = finish(repair.release_breaker(settings.kafka, settings.topics))
    typer.echo(f"released on partitions {released}; start the workers again" if released else "no breaker is open")


async def _redrive(kafka: Kafka, topics: Topics, letters: Sequence[Letter], report: Report) -> int:
    done = 0
    async for done in redrive(kafka, topics, letters):
        report(done, len(letters))
    return done


def _all(*, reason: str | None, origin: str | None = None) -> list[Letter]:
    """The whole topic is read: a mark that one was sent may stand anywhere after it."""
    settings = environment.read(Settings)

    def wanted(dead: DeadLetter) -> bool:
        return reason in {None, dead.reason} and origin in {None, _where(dead)}

    with progress("reading") as report:
        return finish(read_letters(settings.kafka, settings.topics, wanted=wanted, report=report))


def _newest(wanted: Callable[[Letter], bool], count: int) -> list[Letter]:
    settings = environment.read(Settings)
    limits = Limits(found=count, records=sys.maxsize, size=sys.maxsize, seconds=None)
    reading = newest_letters(settings.kafka, settings.topics, wanted=wanted, limits=limits)
    with progress("reading"):
        return list(finish(reading).letters)


def _fields(letter: Letter) -> dict[str, object]:
    dead = letter.dead
    return {
        "partition": dead.origin.partition,
        "offset": dead.origin.offset,
        "topic_id": dead.origin.topic_id,
        "reason": dead.reason,
        "detail": dead.detail,
        "time": dead.time,
        "state": letter.state,
        "bytes": None if dead.value is None else len(dead.value),
    }


def _line(letter: Letter) -> str:
    dead = letter.dead
    size = "no value" if dead.value is None else f"{len(dead.value)} bytes"
    return f"{_where(dead):<16} {printable(dead.time)}  {printable(dead.reason):<16} {letter.state:<9} {size}"


def _where(dead: DeadLetter) -> str:
    return f"{dead.origin.partition}/{dead.origin.offset}"


def _bytes(raw: bytes | None) -> str:
    return "(none)" if raw is None else printable(raw[:4_000].decode(errors="backslashreplace"))
