"""`headgate gateway`: the gateway in the foreground."""

from cli import environment
from gateway.server import run
from gateway.settings import Settings


def gateway() -> None:
    """Run the gateway in the foreground; SIGTERM ends it after the drain, with exit code 0."""
    run(environment.read(Settings))
