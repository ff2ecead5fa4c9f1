"""The write path inside one process, on a real PostgreSQL and a real broker."""

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from asyncpg.exceptions import InternalClientError
from sqlalchemy import Executable, text
from sqlalchemy.exc import DBAPIError

from contracts import Topics, from_record
from gateway.commit.commits import _columns
from gateway.commit.lease_statements import TAKE
from gateway.commit.statements import COMMIT, DELETE_CONFIRMED, SETTLE
from gateway.commit.submission import Accepted, Batch, KeyClaim, Submission
from gateway.commit.writer import Writer
from gateway.database.connection import Compiled, NotConnectedError, Session, create_engine
from gateway.database.ids import Ids
from gateway.problems.errors import (
    DatabaseAwayError,
    DrainingError,
    KeyInFlightError,
    KeyReusedError,
    QueueFullError,
    RefusedError,
)
from gateway.service import Gateway, running
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.records import to_value
from tests.support.write_path import eventually, ids_on_topic, outbox_is_empty, records, rows, submission, unchecked


async def stored_ids(database_url: str) -> list[UUID]:
    return [UUID(str(row["id"])) for row in await rows(database_url, "SELECT id FROM applications ORDER BY id")]


async def test_an_accepted_application_is_a_row_and_an_event_with_the_same_bytes(
    gateway: Gateway, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    accepted = await gateway.writer.submit(submission("Анна", "текст"))
    [row] = await rows(database_url, "SELECT * FROM applications")
    assert accepted.value == to_value(**{key: row[key] for key in ("id", "user_name", "description", "created_at")})
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    [record] = await records(kafka, topics.applications)
    assert record.value == accepted.value
    assert from_record(record.value, record.headers).user_name == "Анна"
    assert record.timestamp == row["id"].int >> 80


async def test_concurrent_submissions_share_commits_and_keep_their_order(
    gateway: Gateway, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    submissions = [submission("Ann", str(number)) for number in range(300)]
    await asyncio.gather(*map(gateway.writer.submit, submissions))
    assert gateway.writer.commits < 10
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    assert await ids_on_topic(kafka, topics.applications) == [each.id for each in submissions]


async def test_a_row_that_postgresql_refuses_fails_alone(gateway: Gateway, database_url: str) -> None:
    good = [submission(description=str(number)) for number in range(20)]
    bad = unchecked("x" * 300, "too long a name")
    results = await asyncio.gather(*map(gateway.writer.submit, [*good[:10], bad, *good[10:]]), return_exceptions=True)
    assert isinstance(results[10], RefusedError)
    assert sum(isinstance(result, Accepted) for result in results) == 20
    assert await stored_ids(database_url) == [each.id for each in good]


async def test_a_client_that_leaves_neither_breaks_its_batch_nor_leaks(gateway: Gateway, database_url: str) -> None:
    submissions = [submission(description=str(number)) for number in range(10)]
    futures = [gateway.writer.submit(each) for each in submissions]
    futures[3].cancel()
    await asyncio.gather(*futures, return_exceptions=True)
    assert await stored_ids(database_url) == [each.id for each in submissions if each is not submissions[3]]
    assert len(gateway.writer.queue) == 0


async def test_past_its_bound_the_queue_refuses_at_once(settings: Settings) -> None:
    small = settings.model_copy(update={"commit_queue_max": 3})
    async with running(small) as gateway:
        futures = [gateway.writer.submit(submission()) for _ in range(3)]
        with pytest.raises(QueueFullError):
            gateway.writer.submit(submission())
        await asyncio.gather(*futures)


async def test_after_the_drain_nothing_is_left_and_nothing_is_taken(
    settings: Settings, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    async with running(settings) as gateway:
        futures = [gateway.writer.submit(submission(description=str(number))) for number in range(50)]
    assert all(isinstance(future.result(), Accepted) for future in futures)
    assert len(await ids_on_topic(kafka, topics.applications)) == 50
    assert await rows(database_url, "SELECT FROM outbox") == []
    assert await rows(database_url, "SELECT FROM gateway_leases") == []
    with pytest.raises(DrainingError):
        gateway.writer.submit(submission())


async def test_what_is_confirmed_during_a_deletion_is_deleted_too(gateway: Gateway, database_url: str) -> None:
    lease, late = await gateway.keeper.held(), uuid4()
    writer, execute = gateway.writer, gateway.writer._session.execute

    async def confirming(statement: Executable, values: dict[str, Any]) -> Any:
        if statement is DELETE_CONFIRMED and late not in writer._confirmed:
            await rows(database_url, f"INSERT INTO outbox VALUES ('{late}', '{lease}', array['{late}'::uuid], '{{}}')")
            values = {"confirmed": list(values["confirmed"])}
            writer.confirm(late)
            writer._session.execute = execute  # type: ignore[method-assign]
        return await execute(statement, values)

    writer._session.execute = confirming  # type: ignore[method-assign,assignment]
    await writer.submit(submission())
    await eventually(lambda: _forgotten(writer), what="the deletion")
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")


async def _forgotten(writer: Writer) -> bool:
    return not writer._confirmed


# --- idempotency keys -----------------------------------------------------------------------------------------------


def keyed(description: str, key: str = "k", client: str = "c", seconds: float = 60) -> Submission:
    return submission(description=description, claim=KeyClaim(client, key, seconds))


async def test_a_key_replays_the_first_answer(gateway: Gateway, database_url: str) -> None:
    first = await gateway.writer.submit(keyed("one"))
    again = await gateway.writer.submit(keyed("one"))
    other_client = await gateway.writer.submit(keyed("one", client="d"))
    assert (again.value, again.replayed) == (first.value, True)
    assert not other_client.replayed
    assert len(await stored_ids(database_url)) == 2


async def test_a_column_that_a_migration_adds_breaks_no_statement_that_is_prepared(
    gateway: Gateway, database_url: str
) -> None:
    first = await gateway.writer.submit(keyed("one"))
    assert (await gateway.writer.submit(keyed("one"))).replayed
    await rows(database_url, "ALTER TABLE applications ADD COLUMN further text")
    again = await gateway.writer.submit(keyed("one"))
    assert (again.value, again.replayed) == (first.value, True)


async def test_a_key_with_another_body_is_refused(gateway: Gateway, database_url: str) -> None:
    await gateway.writer.submit(keyed("one"))
    with pytest.raises(KeyReusedError):
        await gateway.writer.submit(keyed("two"))
    assert len(await stored_ids(database_url)) == 1


async def test_a_key_in_flight_is_a_conflict_and_content_in_flight_is_shared(gateway: Gateway) -> None:
    first = gateway.writer.submit(keyed("one"))
    with pytest.raises(KeyInFlightError):
        gateway.writer.submit(keyed("one"))
    content, twin = (gateway.writer.submit(keyed("two", client="", key="content:x")) for _ in range(2))
    await first
    assert (await twin).value == (await content).value
    assert (await twin).replayed


async def test_an_expired_key_is_free(gateway: Gateway, database_url: str) -> None:
    await gateway.writer.submit(keyed("one", seconds=-1))
    assert not (await gateway.writer.submit(keyed("two"))).replayed
    assert len(await stored_ids(database_url)) == 2


async def test_a_key_holds_across_gateways_and_does_not_hurt_the_batch(
    gateway: Gateway, settings: Settings, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    async with running(settings) as other:
        first = await other.writer.submit(keyed("one"))
    mixed = [submission(description="a"), keyed("one"), submission(description="b")]
    results = await asyncio.gather(*map(gateway.writer.submit, mixed))
    assert results[1].value == first.value
    assert [result.replayed for result in results] == [False, True, False]
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    assert sorted(map(str, await ids_on_topic(kafka, topics.applications))) == sorted(
        map(str, await stored_ids(database_url))
    )


# --- the outcome of a commit is unknown (rule 4) --------------------------------------------------------------------


def lose_the_answer(session: Session, *, after: bool) -> None:
    """The next COMMIT runs (``after``) or does not run, and in both cases its answer is lost."""
    execute = session.execute
    lost = False

    async def losing(statement: Executable | Compiled, values: dict[str, Any]) -> Any:
        nonlocal lost
        if statement is COMMIT and not lost:
            lost = True
            if after:
                await execute(statement, values)
            await session.drop()
            raise DBAPIError("connection lost", None, ConnectionResetError())
        return await execute(statement, values)

    session.execute = losing  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("after", [True, False])
async def test_a_commit_whose_answer_is_lost_is_settled_by_a_write(
    gateway: Gateway, database_url: str, kafka: Kafka, topics: Topics, after: bool
) -> None:
    lose_the_answer(gateway.writer._session, after=after)
    one = submission()
    accepted = await gateway.writer.submit(one)
    assert accepted.value == one.value
    assert await stored_ids(database_url) == [one.id]
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    assert await ids_on_topic(kafka, topics.applications) == [one.id]


async def test_a_connection_that_breaks_inside_a_statement_is_settled_too(
    gateway: Gateway, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        monkeypatch.undo()
        raise InternalClientError("cannot switch to another state")

    monkeypatch.setattr(Compiled, "run", broken)
    one = submission()
    await gateway.writer.submit(one)
    assert await stored_ids(database_url) == [one.id]


async def test_a_late_commit_fails_as_a_whole_on_the_tombstone(gateway: Gateway, database_url: str) -> None:
    late = [submission(description=str(number)) for number in range(3)]
    lease = await gateway.keeper.held()
    values = _columns(Batch(uuid4(), late, 1)) | {"lease": lease, "positions": {}, "confirmed": []}
    session = Session(gateway.engine)
    [row] = await session.execute(SETTLE, values)
    assert row.ids == []
    with pytest.raises(DBAPIError):
        await session.execute(COMMIT, values)
    assert await stored_ids(database_url) == []
    await session.drop()


# --- fences ---------------------------------------------------------------------------------------------------------


async def test_nothing_is_committed_under_a_claimed_lease_and_a_new_one_is_taken(
    gateway: Gateway, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    lost = await gateway.keeper.held()
    await rows(database_url, f"UPDATE gateway_leases SET claimed_by = '{UUID(int=0)}' WHERE id = '{lost}'")
    one = submission()
    await gateway.writer.submit(one)
    assert gateway.keeper.lease not in {lost, None}
    assert gateway.keeper.former == lost
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    assert await ids_on_topic(kafka, topics.applications) == [one.id]
    assert await rows(database_url, f"SELECT FROM gateway_leases WHERE id = '{lost}'") == []


async def test_a_gateway_with_a_wrong_clock_does_not_commit(gateway: Gateway, database_url: str) -> None:
    old = submission()
    old.created_at = old.created_at.replace(year=2020)
    with pytest.raises(DatabaseAwayError):
        await gateway.writer.submit(old)
    assert await stored_ids(database_url) == []
    lease = gateway.keeper.lease
    await gateway.writer.submit(submission())
    assert gateway.keeper.lease == lease


# --- what comes back, comes back as one -----------------------------------------------------------------------------


class _Refusing:
    """Stands before a writer's session: raises what the test says for the n-th statement, else runs it."""

    def __init__(self, writer: Writer, **errors: BaseException) -> None:
        self._errors = {int(number.removeprefix("n")): error for number, error in errors.items()}
        self._execute, self.count = writer._session.execute, 0
        writer._session.execute = self  # type: ignore[method-assign]

    async def __call__(self, statement: Any, values: Any) -> Any:
        self.count += 1
        if error := self._errors.get(self.count):
            raise error
        return await self._execute(statement, values)


def _told(state: str, **more: str) -> DBAPIError:
    told = Exception(state)
    told.__dict__.update(sqlstate=state, **more)
    return DBAPIError("INSERT", None, told)


async def test_what_a_bisection_did_not_store_is_not_overtaken(
    gateway: Gateway, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    """PostgreSQL goes away after the first half was refused: the second half must not be stored before it."""
    sent = [submission("Ann", str(number)) for number in range(8)]
    _Refusing(gateway.writer, n1=_told("22001"), n2=NotConnectedError("away"))
    await asyncio.gather(*map(gateway.writer.submit, sent))
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    assert await ids_on_topic(kafka, topics.applications) == [each.id for each in sent]


async def test_a_month_made_meanwhile_refuses_nobody(gateway: Gateway) -> None:
    """A partition's constraint has no name, ours have."""
    refusing = _Refusing(gateway.writer, n1=_told("23514"))
    assert isinstance(await gateway.writer.submit(submission()), Accepted)
    assert refusing.count == 2


async def test_a_statement_whose_completion_is_unknown_is_settled(gateway: Gateway, database_url: str) -> None:
    _Refusing(gateway.writer, n1=_told("40003"))
    sent = submission()
    await gateway.writer.submit(sent)
    assert await stored_ids(database_url) == [sent.id]
    [row] = await rows(database_url, "SELECT count(*) AS tombstones FROM outbox WHERE cardinality(ids) = 0")
    assert row["tombstones"] == 1


async def test_one_application_dated_ahead_is_refused_and_the_others_of_its_commit_are_stored(
    gateway: Gateway, database_url: str
) -> None:
    good, ahead = [submission(description=str(number)) for number in range(4)], submission()
    ahead.created_at += timedelta(hours=1)
    results = await asyncio.gather(*map(gateway.writer.submit, [*good[:2], ahead, *good[2:]]), return_exceptions=True)
    assert isinstance(results[2], DatabaseAwayError)
    assert await stored_ids(database_url) == [each.id for each in good]


async def test_a_clock_that_is_set_back_costs_a_lease_and_nothing_else(settings: Settings, database_url: str) -> None:
    ahead = 0

    async with running(settings) as gateway:
        gateway.writer.new_id = new_id = Ids(lambda: time.time_ns() + ahead)
        first = await gateway.keeper.held()
        ahead = 20_000_000_000
        await gateway.writer.submit(submission(new_id=new_id))
        ahead = 0
        late = submission(new_id=new_id)
        assert new_id.went_back
        await gateway.writer.submit(late)
        await gateway.writer.submit(submission(new_id=new_id))
        assert gateway.keeper.lease != first
        assert abs(submission(new_id=new_id).created_at.timestamp() - time.time()) < 10
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")


async def test_a_lease_whose_taking_is_not_answered_is_taken_under_the_same_id(
    settings: Settings, database_url: str
) -> None:
    gateway = Gateway(settings)
    execute = gateway._sessions["lease"].execute
    lost = 3

    async def unanswered(statement: Any, values: Any) -> Any:
        nonlocal lost
        answer = await execute(statement, values)
        if statement is TAKE and lost:
            lost -= 1
            raise OSError("cut")
        return answer

    gateway._sessions["lease"].execute = unanswered  # type: ignore[method-assign]
    gateway.start()
    try:
        await gateway.keeper.held()
        assert len(await rows(database_url, "SELECT FROM gateway_leases")) == 1
    finally:
        await gateway.drain()
        await gateway.close()


async def test_a_cut_connection_leaves_at_most_one_backend_waiting(database_url: str, settings: Settings) -> None:
    """Each attempt waits at the server for what does not come, as for a standby that is away."""
    engine = create_engine(settings, pooled=False)
    session = Session(engine, seconds=0.3)
    blocker = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await blocker.execute("SELECT pg_advisory_lock(4711)")
        for _ in range(5):
            with pytest.raises(DBAPIError):
                await session.execute(text("SELECT pg_advisory_lock(4711)"), {})
            waiting = "SELECT FROM pg_stat_activity WHERE wait_event = 'advisory'"
            assert len(await blocker.fetch(waiting)) <= 1
    finally:
        await blocker.close()
        await session.drop()
        await engine.dispose()
