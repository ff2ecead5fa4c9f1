"""`headgate run`: everything on this machine."""


def run() -> None:
    """Start everything on this machine: PostgreSQL and Kafka (unless settings name others), gateway, workers."""
    from cli.stack import run as stack  # needs the development stack, which an image does not have
    from cli.stack.wanted import Wanted

    stack.run(Wanted.read())
