"""`headgate retention` removes what is old, nothing that is still to be published, and survives its own death."""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.database.months import Month
from tests.integration.gateway.database.test_months import fill, held, tables
from tests.support import forked
from tests.support.forked import Forked
from tests.support.write_path import eventually, rows

NOW = datetime.now(UTC)
ID = """(lpad(to_hex(floor(extract(epoch FROM timestamptz '{}') * 1000)::bigint + {}), 12, '0')
    || '70008' || lpad('{}', 15, '0'))::uuid"""


def id_of(at: datetime, number: int) -> str:
    """SQL for the id that `fill` gave to a row."""
    return ID.format(at, number, number)


async def headgate(database_url: str, *words: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(forked.headgate, *words, env={"DATABASE_URL": database_url})
    return done.returncode, done.stdout, done.stderr


async def retention(database_url: str, *words: str) -> dict[str, Any]:
    code, out, err = await headgate(database_url, "retention", "--json", *words)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


async def make_old_months(database_url: str) -> tuple[Month, Month]:
    """Two full months of old, as if Headgate had been running since."""
    old = Month.of(NOW).later(-5)
    for month in (old, old.following):
        await rows(
            database_url,
            f"CREATE TABLE {month.table} PARTITION OF applications"
            f" FOR VALUES FROM ('{month.first}') TO ('{month.following.first}')",
        )
        await fill(database_url, 20, month.begins)
    return old, old.following


async def test_a_dry_run_says_what_would_go_and_changes_nothing(database_url: str) -> None:
    first, second = await make_old_months(database_url)
    await fill(database_url, 5, datetime(1999, 1, 1, tzinfo=UTC))
    before = await held(database_url)
    told = await retention(database_url, "--keep-months", "3", "--dry-run")
    assert [(each["name"], each["rows"]) for each in told["partitions"]] == [(first.table, 20), (second.table, 20)]
    assert (told["rows"], told["kept"], told["removed"]) == (5, 0, 0)
    assert all(each["bytes"] > 0 for each in told["partitions"])
    assert await held(database_url) == before


async def test_old_months_go_and_young_ones_stay(database_url: str) -> None:
    first, second = await make_old_months(database_url)
    await fill(database_url, 5, datetime(1999, 1, 1, tzinfo=UTC))
    await fill(database_url, 7, NOW)
    assert (await retention(database_url, "--before", f"{second.begins:%Y-%m-%d}", "--yes"))["removed"] == 25
    assert await held(database_url) == {second.table: 20, Month.of(NOW).table: 7}
    assert first.table not in await tables(database_url)
    assert (await retention(database_url, "--keep-months", "1", "--yes"))["removed"] == 20
    assert await held(database_url) == {Month.of(NOW).table: 7}


async def test_what_is_still_to_be_published_stays(database_url: str) -> None:
    first, second = await make_old_months(database_url)
    waiting, refused = id_of(first.begins, 3), id_of(second.begins, 4)
    await rows(
        database_url,
        f"INSERT INTO outbox (id, lease, ids, positions) VALUES ({waiting}, {waiting}, ARRAY[{waiting}], '{{}}')",
    )
    await rows(database_url, f"INSERT INTO unpublishable (id, batch, reason) VALUES ({refused}, {waiting}, 'large')")
    told = await retention(database_url, "--keep-months", "3", "--yes")
    assert (told["partitions"], told["kept"], told["removed"]) == ([], 2, 38)
    assert await held(database_url) == {first.table: 1, second.table: 1}
    await rows(database_url, "DELETE FROM outbox")
    assert (await retention(database_url, "--keep-months", "3", "--yes"))["removed"] == 1
    assert await held(database_url) == {second.table: 1}


async def test_idempotency_keys_of_what_is_gone_go_too(database_url: str) -> None:
    first, _ = await make_old_months(database_url)
    await fill(database_url, 1, NOW)
    for name, at in (("old", first.begins), ("young", NOW)):
        await rows(
            database_url,
            f"INSERT INTO idempotency_keys VALUES ('c', '{name}', {id_of(at, 1)}, now() + interval '1 day')",
        )
    await retention(database_url, "--keep-months", "1", "--yes")
    assert [row["key"] for row in await rows(database_url, "SELECT key FROM idempotency_keys")] == ["young"]


async def test_whose_it_was_goes_with_what_is_gone_and_stays_with_what_stays(database_url: str) -> None:
    first, second = await make_old_months(database_url)
    await fill(database_url, 5, datetime(1999, 1, 1, tzinfo=UTC))
    await rows(database_url, "INSERT INTO ownerships SELECT id, gen_random_uuid() FROM applications")
    waiting = id_of(second.begins, 3)
    await rows(
        database_url,
        f"INSERT INTO outbox (id, lease, ids, positions) VALUES ({waiting}, {waiting}, ARRAY[{waiting}], '{{}}')",
    )
    await retention(database_url, "--before", f"{first.following.begins:%Y-%m-%d}", "--yes")
    assert await _owned(database_url) == await held(database_url) == {second.table: 20}
    await retention(database_url, "--keep-months", "1", "--yes")
    assert await _owned(database_url) == {second.table: 1}


async def _owned(database_url: str) -> dict[str, int]:
    """How many applications of each partition are somebody's own; what is in none counts under another name."""
    query = """
        SELECT coalesce(a.tableoid::regclass::text, 'gone') AS name, count(*) AS number
        FROM ownerships LEFT JOIN applications a USING (id) GROUP BY 1"""
    return {row["name"]: row["number"] for row in await rows(database_url, query)}


async def test_killed_in_the_middle_it_is_run_again(database_url: str, tmp_path: Path) -> None:
    await make_old_months(database_url)
    many = 40_000
    await fill(database_url, many, datetime(1999, 1, 1, tzinfo=UTC))
    command = ("cli", "retention", "--keep-months", "1", "--yes")
    process = Forked(command, env=os.environ | {"DATABASE_URL": database_url}, log=tmp_path / "log")

    async def begun() -> bool:
        assert process.poll() is None, "it was done before it could be killed"
        return 0 < (await held(database_url)).get("applications_default", 0) < many

    await eventually(begun, what="the first step")
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    left = (await held(database_url))["applications_default"]
    assert 0 < left < many
    assert (await retention(database_url, "--keep-months", "1", "--yes"))["removed"] == left
    assert await held(database_url) == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--keep-months", "1", "--before", "2020-01-01"], "either --keep-months or --before"),
        (["--before", f"{NOW + timedelta(days=2):%Y-%m-%d}", "--yes"], "too young"),
    ],
)
async def test_what_cannot_be_meant_is_refused(database_url: str, words: list[str], message: str) -> None:
    code, _, err = await headgate(database_url, "retention", *words)
    assert (code, message in err) == (1, True), err


async def test_without_a_limit_everything_is_kept(database_url: str) -> None:
    await make_old_months(database_url)
    code, out, _ = await headgate(database_url, "retention", "--yes")
    assert (code, "everything is kept" in out) == (0, True)
    assert sum((await held(database_url)).values()) == 40
