"""A gateway that takes over what many have left stays small, whatever they left."""

import secrets
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from contracts import DESCRIPTION_MAX, Topics
from runtime.kafka.clients import Kafka
from tests.support.gateways import GatewayProcess
from tests.support.publishing import leave_behind
from tests.support.write_path import eventually, outbox_is_empty, rows, submission

_MEGABYTE = 1024 * 1024
_LEASES = 10
_PAYLOAD = 128 * _MEGABYTE
# A commit takes no more than 4 MiB.
_BATCH = 4 * _MEGABYTE


def _of_wide_characters(size: int) -> str:
    """As many bytes in UTF-8 as there can be in one application."""
    return "".join(chr(0x1F300 + secrets.randbelow(512)) for _ in range(size))


def _with_one_wide_character(size: int) -> str:
    """Four times as large in memory as in the database."""
    return secrets.token_hex(size // 2 - 1) + "\U0001f300"


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("text", [_of_wide_characters, _with_one_wide_character])
async def test_ten_full_outboxes_are_published_within_192_megabytes(
    text: Callable[[int], str], database_url: str, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    description = text(DESCRIPTION_MAX)
    each = len(description.encode())
    for _ in range(_LEASES):
        batches = [_BATCH // (each + 200)] * (_PAYLOAD // _LEASES // _BATCH + 1)
        left = [[submission(f"user {number}", description) for number in range(count)] for count in batches]
        await leave_behind(database_url, uuid4(), left)
    stored = await rows(database_url, "SELECT sum(octet_length(description)) AS bytes FROM applications")
    assert stored[0]["bytes"] >= _PAYLOAD
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": topics.prefix,
        "LEASE_SECONDS": "8",
        "SEND_TIMEOUT_SECONDS": "2",
    }
    gateway = GatewayProcess(environment, tmp_path / "gateway.log", fresh=True)
    gateway.start()
    try:
        # Killed in the middle, so that the next one finds a part of it on the topic.
        await eventually(lambda: _left(database_url, _LEASES * 2), seconds=500, what="half of it published")
        first = _peak(gateway)
        gateway.kill()
        gateway.start()
        await eventually(lambda: outbox_is_empty(database_url), seconds=500, what="an empty outbox")
        second = _peak(gateway)
    finally:
        gateway.kill()
    print(f"{text.__name__}: at most {first // _MEGABYTE} and {second // _MEGABYTE} MB")  # noqa: T201 -- the figure
    assert max(first, second) < 192 * _MEGABYTE


async def _left(database_url: str, batches: int) -> bool:
    return len(await rows(database_url, "SELECT FROM outbox")) <= batches


def _peak(gateway: GatewayProcess) -> int:
    """The most that it has ever had resident, as the kernel counts it."""
    status = Path(f"/proc/{gateway.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
