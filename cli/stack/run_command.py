"""`headgate run`: everything on this machine."""

from cli.loading import loading


def run() -> None:
    """Start everything on this machine: PostgreSQL and Kafka (unless settings name others), gateway, workers."""
    with loading():
        from cli.stack import run as stack  # needs the development stack, which an image does not have
        from cli.stack.wanted import Wanted

    stack.run(Wanted.read())
