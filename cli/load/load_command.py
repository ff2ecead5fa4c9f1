"""`headgate load`: made-up applications for a gateway."""

from typing import Annotated

import typer

from cli import environment
from cli.errors import CommandError
from cli.load import screen
from cli.load.load import Plan
from cli.load.profile import Profile
from cli.numeric import numeric
from gateway.settings import Settings


def load(
    *,
    url: Annotated[str, typer.Option(help="The gateway; by default the one of these settings.")] = "",
    rate: Annotated[float, numeric("Requests per second; 0 = as fast as possible.", min=0)] = 0,
    profile: Annotated[
        Profile,
        typer.Option(help="How the rate changes: steady; ramp, from nothing to --rate; spike, in the middle third."),
    ] = "steady",
    reads: Annotated[float, numeric("Share of requests that read an application.", min=0, max=0.99)] = 0,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many requests.")] = None,
    seconds: Annotated[float | None, numeric("Stop after so long; 10 without --count.", min=0.1)] = None,
    connections: Annotated[int, typer.Option(min=1, max=10_000, help="Connections kept open.")] = 64,
    users: Annotated[int, typer.Option(min=1, max=100_000, help="Different user names.")] = 1000,
    idempotency_keys: Annotated[bool, typer.Option("--idempotency-keys", help="Send an Idempotency-Key each.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the summary.")] = False,
) -> None:
    """Post made-up applications to the gateway, with a live line of rate, latency and errors, and a summary."""
    if profile != "steady" and not (rate and seconds):
        raise CommandError(f"--profile {profile} needs --rate, the highest, and --seconds, in which it is reached")
    gateway_ = environment.read(Settings)
    screen.show(
        Plan(
            url=url or f"http://{_reachable(gateway_.gateway_host)}:{gateway_.gateway_port}",
            rate=rate,
            profile=profile,
            reads=reads,
            count=count,
            seconds=10.0 if seconds is None and count is None else seconds,
            connections=connections,
            users=users,
            idempotency_keys=idempotency_keys,
        ),
        as_json=as_json,
    )


def _reachable(host: str) -> str:
    """An address to connect to, for one to listen on."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 -- compared, not bound
