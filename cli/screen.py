"""What `headgate run` shows: a line for each step of the start, and one screen when all is ready."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer

from cli.config import masked
from devstack.ports import HOST

_BODY = '{"user_name": "ada", "description": "A bridge over the river"}'


@contextmanager
def step(what: str) -> Iterator[None]:
    """One line with the time that it took."""
    began = time.monotonic()
    typer.echo(f"  {what:<48}", nl=False)
    try:
        yield
    except BaseException:
        typer.echo("")
        raise
    typer.echo(f"{time.monotonic() - began:5.1f} s")


def screen(settings: Mapping[str, str], data_dir: Path) -> str:
    """Where everything is, what to try first, and how to stop."""
    gateway = f"http://{HOST}:{settings['GATEWAY_PORT']}"
    web_port = int(settings["WORKER_WEB_PORT"])
    return f"""
Headgate runs. Ctrl-C stops it; data and logs stay in {data_dir}

  API docs    {gateway}/docs
  Health      {gateway}/healthz
  Metrics     {gateway}/metrics
  Web view    http://{HOST}:{web_port}/   (the journal's: http://{HOST}:{web_port + 1}/)
  Kafka       {settings["KAFKA_BOOTSTRAP_SERVERS"]}
  PostgreSQL  {masked(settings["DATABASE_URL"])}

Try it in another terminal:

  curl -s {gateway}/applications -H 'content-type: application/json' -d '{_BODY}'
  curl -s {gateway}/applications
  .venv/bin/headgate topics tail --from-beginning
  .venv/bin/headgate load --seconds 10
"""
