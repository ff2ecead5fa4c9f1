"""Everything that the doctor looks at, part by part."""

import asyncio

from cli import environment
from cli.doctor import database, kafka, machine, replica, view
from cli.doctor.finding import Finding
from devstack.settings import Settings as DevstackSettings
from gateway.settings import Settings as GatewaySettings
from stream_workers.settings import Settings as WorkerSettings

Examined = dict[str, list[Finding]]


async def examine() -> Examined:
    """The findings of each part, in the order in which one would mend them."""
    gateway, workers = environment.read(GatewaySettings), environment.read(WorkerSettings)
    data_dir = environment.read(DevstackSettings).headgate_data_dir
    parts = {
        "database": database.examine(gateway),
        "replica": replica.examine(gateway),
        "kafka": kafka.examine(gateway),
        "machine": machine.examine(gateway, workers, data_dir),
        "view": view.examine(workers),
    }
    return dict(zip(parts, await asyncio.gather(*parts.values()), strict=True))
