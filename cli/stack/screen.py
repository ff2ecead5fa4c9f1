"""What `headgate run` shows: a line for each step of the start, and one screen when all is ready."""

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import typer

from cli.config import masked
from cli.stack.services import Service
from devstack.ports import HOST
from runtime.postgresql.url import read
from stream_workers.kinds import KINDS, METRICS

_BODY = '{"user_name": "ada", "description": "A bridge over the river"}'


@contextmanager
def step(what: str) -> Iterator[None]:
    """One line with the time that it took; what is printed meanwhile comes below it."""
    began, taken = time.monotonic(), ""
    typer.echo(f"  {what:<48}", nl=False)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
        taken = f"{time.monotonic() - began:5.1f} s"
    finally:
        typer.echo(f"{taken}\n{printed.getvalue()}", nl=False)


def screen(
    settings: Mapping[str, str], services: Sequence[Service], data_dir: Path, *, own_postgres: bool = False
) -> str:
    """Where everything is, what to try first, and how to stop. The password of a server of our own is no secret."""
    shown = (lambda url: url) if own_postgres else masked
    gateway = f"http://{HOST}:{settings['GATEWAY_PORT']}"
    return f"""
Headgate runs. Ctrl-C stops it; data and logs stay in {data_dir}

  Form        {gateway}/
  API docs    {gateway}/docs
  Health      {gateway}/healthz
  Metrics     {gateway}/metrics
{_others(services)}  Web view    {_web_views(services)}
  Kafka       {settings["KAFKA_BOOTSTRAP_SERVERS"]}{_way_in(settings)}
  PostgreSQL  {_postgresql(settings, shown)}
{_replica(settings, shown)}
Try it in another terminal:

  curl -s {gateway}/applications -H 'content-type: application/json' -d '{_BODY}'
  curl -s {gateway}/applications
  .venv/bin/headgate topics tail --from-beginning
  .venv/bin/headgate load --seconds 10
"""


def _postgresql(settings: Mapping[str, str], shown: Callable[[str], str]) -> str:
    url = settings.get("DATABASE_URL")
    return shown(read(url).as_text()) if url else f"as {settings['DATABASE_URL_FILE']} says"


def _way_in(settings: Mapping[str, str]) -> str:
    """How other programs get into a Kafka that asks who they are."""
    if "KAFKA_SASL_PASSWORD_FILE" not in settings:
        return ""
    protocol, mechanism = settings["KAFKA_SECURITY_PROTOCOL"], settings["KAFKA_SASL_MECHANISM"]
    return (
        f"   {protocol}, {mechanism} as {settings['KAFKA_SASL_USERNAME']}\n"
        f"              password in {settings['KAFKA_SASL_PASSWORD_FILE']}\n"
        f"              authority in {settings['KAFKA_SSL_CA']}"
    )


def _others(services: Sequence[Service]) -> str:
    """The gateways beside the first."""
    others = _addresses(services, "gateway")[1:]
    return f"  Others      {', '.join(others)}\n" if others else ""


def _web_views(services: Sequence[Service]) -> str:
    others = [
        f"the {kind}'s: {address}"
        for kind in KINDS.values()
        if not kind.serves_view
        for address in _addresses(services, f"worker-{kind}")
    ]
    return f"{', '.join(_addresses(services, f'worker-{METRICS}'))}   ({', '.join(others)})"


def _replica(settings: Mapping[str, str], shown: Callable[[str], str]) -> str:
    url = settings.get("DATABASE_READ_URL")
    return f"  Replica     {shown(read(url).as_text())}\n" if url else ""


def _addresses(services: Sequence[Service], kind: str) -> list[str]:
    return [f"http://{HOST}:{service.port}/" for service in services if service.name.startswith(kind)]
