"""This machine and the services on it: who answers on the ports, what they say of themselves, and room on the disk."""

import asyncio
import http.client
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from cli.doctor.finding import Finding, failed, ok, warning
from devstack.ports import is_free
from gateway import open_files
from gateway.settings import Settings
from stream_workers.settings import Settings as WorkerSettings

SECONDS = 8.0
FREE_BYTES = 1024**3

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- compared, not bound


async def examine(settings: Settings, workers: WorkerSettings, data_dir: Path) -> list[Finding]:
    """The gateway and the workers as these settings place them, and the disk."""
    gateway = await asyncio.to_thread(get, settings.gateway_host, settings.gateway_port, "/healthz")
    found = list(_gateway(settings, gateway))
    for kind, port in workers.neighbours().items():
        found.append(_worker(kind.name, port, await asyncio.to_thread(get, workers.worker_web_host, port, "/readyz")))
    limiter = await _limiter(settings.limit_storage)
    return [*found, *limiter, _open_files(settings.connections_max), _disk(data_dir)]


def _gateway(settings: Settings, report: dict[str, Any] | None) -> Iterator[Finding]:
    place = f"port {settings.gateway_port}"
    if report is None:
        yield _absent("gateway", settings.gateway_port, "`headgate gateway`", "GATEWAY_PORT")
        return
    status = report.get("status", "does not answer as a gateway")
    yield (
        ok("gateway", f"{place}: {status}")
        if status == "ok"
        else warning("gateway", f"{place}: {status}", "The findings above say why; /healthz has the details.")
    )
    for lease, reason in report.get("recovery", {}).get("stopped", {}).items():
        yield failed(f"recovery of lease {lease}", reason, "docs/runbook/recovery-stopped.md")


def _worker(kind: str, port: int, report: dict[str, Any] | None) -> Finding:
    what = f"{kind} worker's port"
    if report is None:
        return _absent(what, port, f"`headgate worker {kind}`", "WORKER_WEB_PORT")
    status = str(report.get("status", "does not answer as a worker"))
    if status == "ok":
        return ok(what, f"port {port}: ready")
    return warning(what, f"port {port}: {status}", "docs/runbook/worker-not-ready.md")


def _absent(what: str, port: int, command: str, setting: str) -> Finding:
    if is_free(port):
        return warning(what, f"nobody listens on port {port}", f"Start it here with {command}, if it belongs here.")
    return failed(what, f"something else listens on port {port}", f"Stop that, or set {setting} to another port.")


async def _limiter(storage: str) -> list[Finding]:
    """Redis, where the rate limit is shared through it."""
    if storage.startswith("memory:"):
        return []
    try:
        async with Redis.from_url(storage, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
            await client.ping()
    except (RedisError, OSError, ValueError) as error:
        return [warning("rate limit's Redis", str(error), "docs/runbook/rate-limit-store-away.md")]
    return [ok("rate limit's Redis", "answers")]


def _open_files(connections: int) -> Finding:
    """A gateway started here like this command may open as many files as its connections and all else need."""
    limit, needed = open_files.hard_limit(), connections + open_files.RESERVED
    if needed <= limit:
        return ok("open files", f"{needed} needed for {connections} connections, more are allowed")
    remedy = f"{open_files.REMEDY}, or lower CONNECTIONS_MAX."
    tell = warning if limit >= open_files.LEAST else failed
    return tell("open files", f"{limit} allowed, {needed} needed for {connections} connections", remedy)


def _disk(folder: Path) -> Finding:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / 1024**3:.1f} GiB free at {folder}"
    if free >= FREE_BYTES:
        return ok("disk", found)
    return warning("disk", found, "Make room: PostgreSQL and Kafka stop when it is used up.")


def get(host: str, port: int, path: str) -> dict[str, Any] | None:
    """The JSON at this address, {} where it is none; None where nobody answers over HTTP."""
    connection = http.client.HTTPConnection(_ANYWHERE.get(host, host), port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        found = json.loads(connection.getresponse().read())
        return found if isinstance(found, dict) else {}
    except ValueError:
        return {}
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
