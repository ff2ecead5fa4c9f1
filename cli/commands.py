"""Each command, or group of commands: where it lives, and what help says of it before it is imported."""

from importlib import import_module
from typing import NamedTuple

import typer


class Command(NamedTuple):
    """``where`` is a module and what of it; ``does`` begins its own help too."""

    where: str
    does: str


COMMANDS = {
    "audit": Command(
        "cli.audit.audit_command:audit",
        "Compare PostgreSQL, topic, counters and journal. Exit code 1 if anything is missing, double or different.",
    ),
    "config": Command(
        "cli.config_command:config",
        "Show the effective settings and where each comes from; secrets are masked.",
    ),
    "dead-letters": Command(
        "cli.topics.dead_letters_command:app",
        "Events that could not be read: look at them, send them again.",
    ),
    "doctor": Command(
        "cli.doctor.doctor_command:doctor",
        "Look at everything that Headgate needs, and say what is wrong and how to mend it. Exit code 1 if anything is.",
    ),
    "events": Command(
        "cli.topics.events_command:events",
        "What happened: gateways and workers that came and went, outages, dead letters, deployments.",
    ),
    "forget": Command(
        "cli.removal.forget_command:forget",
        "Erase a person's applications from PostgreSQL, and say what remains elsewhere and until when. "
        "May be repeated.",
    ),
    "gateway": Command(
        "cli.services.gateway_command:gateway",
        "Run the gateway in the foreground; SIGTERM ends it after the drain, with exit code 0.",
    ),
    "keys": Command(
        "cli.keys_command:app",
        "API keys: create, rotate, list, revoke.",
    ),
    "load": Command(
        "cli.load.load_command:load",
        "Post made-up applications to the gateway, with a live line of rate, latency and errors, and a summary.",
    ),
    "metrics": Command(
        "cli.topics.metrics_command:app",
        "The states of the workers: rebuild them, book what the topic lost.",
    ),
    "migrate": Command(
        "cli.services.migrate_command:migrate",
        "Bring the database to the schema of this version. Safe to repeat, also twice at once.",
    ),
    "recovery": Command(
        "cli.recovery.recovery_command:app",
        "What gateways that are gone have left to publish: list, release.",
    ),
    "replay": Command(
        "cli.audit.replay_command:replay",
        "Publish applications from PostgreSQL again. A run that was cut short may simply be repeated with --missing.",
    ),
    "retention": Command(
        "cli.removal.retention_command:retention",
        "Remove old applications from PostgreSQL: whole months at once, the rest in small steps. May be repeated.",
    ),
    "run": Command(
        "cli.stack.run_command:run",
        "Start everything on this machine: PostgreSQL and Kafka (unless settings name others), gateway, workers.",
    ),
    "topics": Command(
        "cli.topics.topics_command:app",
        "The topics: create them, let them grow, look at what is on them.",
    ),
    "trace": Command(
        "cli.audit.trace_command:trace",
        "One application's way: accepted, published (partition and offset), journaled, counted.",
    ),
    "watch": Command(
        "cli.watch.watch_command:watch",
        "Tell what the doctor finds, once when it changes: what became worse, and what is well again. Until Ctrl-C.",
    ),
    "worker": Command(
        "cli.services.worker_command:app",
        "Run one stream worker in the foreground.",
    ),
}


def add(app: typer.Typer, name: str) -> None:
    """Add a command as it is."""
    module, attribute = COMMANDS[name].where.split(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)


def announce(app: typer.Typer, name: str) -> None:
    """Add a command's name and what it does, for help that lists them all."""
    app.command(name, help=COMMANDS[name].does)(lambda: None)
