"""What happened between two looks, how much of it is kept, and how it is told."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from stream_workers.chronicle.happened import LEVELS, Entry, Happened, from_json, to_json
from stream_workers.chronicle.seen import Seen
from stream_workers.chronicle.topic import Known
from stream_workers.web.facts.facts import seconds
from stream_workers.web.look.gateways import GatewayRow, Intake
from stream_workers.web.look.groups import Group, Member
from stream_workers.web.look.polled import Reading
from stream_workers.web.showing.happening import told
from stream_workers.web.showing.preferences import LANGUAGES
from stream_workers.web.trends import keeper as keeping
from stream_workers.web.trends.damping import KIND_MAX, Damping
from stream_workers.web.trends.difference import Sight, difference, first_seen
from stream_workers.web.trends.happenings import PAGE, happenings, marks
from stream_workers.web.trends.keeper import Keeper

NOW = 1_795_000_000.0


def gateway(name: str, *, state: str = "running", age: float = 1.0, started_at: float = NOW, version: str = "1") -> Any:
    row: Any = dict.fromkeys(("url", "rate", "p99_ms", "queued", "accepted", "published", "publisher", "replica"))
    shape: Any = {"instance": name, "state": state, "age": age, "started_at": started_at, "version": version}
    return GatewayRow(**shape, **row, lease_seconds=15.0)


def intake(*rows: Any, unpublishable: int = 0) -> Intake:
    return Intake(rows, 0, 0, None, unpublishable)


def group(*members: tuple[str, str, list[int]], state: str = "Stable") -> Group:
    return Group(state, [Member(name, "host", partitions, id_) for id_, name, partitions in members])


BOTH = group(("id-a", "a", [0, 1]), ("id-b", "b", [2, 3]))
SIGHT = Sight(
    at=NOW,
    intake=intake(gateway("g1"), gateway("g2")),
    database_why=None,
    groups={"metrics": BOTH, "journal": None},
    version="1",
    brokers_away=(),
    kafka_away=None,
    dead={},
    missing=0,
)
SEEN = first_seen(SIGHT)[0]


def happened(later: float = 5.0, seen: Seen = SEEN, **changes: Any) -> list[tuple[str, dict[str, Any]]]:
    _, found = difference(seen, replace(SIGHT, at=NOW + later, **changes))
    return [(each.kind, dict(each.values)) for each in found]


def test_who_looks_first_tells_of_nothing_but_that() -> None:
    seen, found = first_seen(replace(SIGHT, dead={"invalid": 7}, missing=3))
    assert [each.kind for each in found] == ["watching"]
    assert seen.gateways is not None
    assert happened() == []


def test_gateways_come_leave_fall_silent_and_are_taken_over() -> None:
    ours = gateway("g1")
    assert happened(intake=intake(ours, gateway("g2"), gateway("g3", version="1", started_at=NOW + 4))) == [
        ("gateway-came", {"instance": "g3", "version": "1"})
    ]
    assert happened(intake=intake(ours)) == [("gateway-left", {"instance": "g2"})]
    assert happened(40.0, intake=intake(ours)) == [("gateway-gone", {"instance": "g2", "seconds": 41.0})]
    for state, kind in (("silent", "gateway-silent"), ("drained", "gateway-taken-over")):
        lost = replace(SIGHT, intake=intake(ours, gateway("g2", state=state, age=21.0)))
        seen, found = difference(SEEN, lost)
        assert [(each.kind, each.values["seconds"]) for each in found] == [(kind, 21.0)]
        assert [kind for kind, _ in happened(seen=seen, intake=intake(ours))] == ["gateway-gone"]
    assert happened(intake=intake(ours, gateway("g2", started_at=NOW + 60)))[0][0] == "gateway-came"


def test_workers_come_go_and_join_again_and_partitions_move() -> None:
    alone = group(("id-a", "a", [0, 1, 2, 3]))
    moved = ("rebalance", {"worker": "metrics", "n": 2, "partitions": "2, 3"})
    assert happened(groups={"metrics": alone}) == [("worker-gone", {"worker": "metrics", "name": "b"}), moved]
    again = group(("id-a", "a", [0, 1]), ("id-c", "b", [2, 3]))
    assert happened(groups={"metrics": again}) == [("worker-restarted", {"worker": "metrics", "name": "b"})]
    seen, _ = difference(SEEN, replace(SIGHT, groups={"metrics": alone}))
    assert [kind for kind, _ in happened(seen=seen)] == ["worker-came", "rebalance"]


def test_while_partitions_are_shared_out_or_nobody_answers_nothing_is_concluded() -> None:
    assert happened(groups={"metrics": group(state="PreparingRebalance")}) == []
    assert happened(groups={"metrics": None}) == []
    seen, found = difference(SEEN, replace(SIGHT, intake=None))
    assert (found, seen.gateways) == ([], SEEN.gateways)


def test_outages_are_told_once_with_their_length() -> None:
    away = replace(SIGHT, at=NOW + 60, intake=None, database_why="refused")
    seen, found = difference(SEEN, away)
    assert [(each.kind, each.values["reason"]) for each in found] == [("database-away", "refused")]
    assert happened(90.0, seen, intake=None, database_why="refused") == []
    assert happened(90.0, seen) == [("database-back", {"seconds": 30.0})]
    seen, found = difference(SEEN, replace(SIGHT, at=NOW + 60, kafka_away=(NOW + 10, NOW + 50)))
    assert [(each.kind, each.at, each.values["seconds"]) for each in found] == [
        ("kafka-away", NOW + 10, 40.0),
        ("kafka-back", NOW + 50, 40.0),
    ]
    assert happened(65.0, seen, kafka_away=(NOW + 10, NOW + 51)) == []


def test_dead_letters_brokers_versions_and_losses() -> None:
    seen, _ = difference(SEEN, replace(SIGHT, dead={"invalid": 3}))
    assert happened(seen=seen, dead={"invalid": 3, "oversized": 2}) == [
        ("dead-letters", {"n": 2, "reason": "oversized"})
    ]
    assert happened(missing=4) == [("missing", {"n": 4})]
    assert happened(brokers_away=(2, 3)) == [("broker-away", {"brokers": "2, 3"})]
    assert happened(intake=intake(gateway("g1"), gateway("g2"), unpublishable=1)) == [("unpublishable", {"n": 1})]
    newer = replace(SIGHT, intake=intake(gateway("g1"), gateway("g2", version="2")))
    seen, found = difference(SEEN, newer)
    assert [(each.kind, dict(each.values)) for each in found] == [("deployment", {"version": "2", "before": "1"})]
    assert difference(seen, newer)[1] == []
    assert happened(version="3") == [("deployment", {"version": "3", "before": "1"})]


def test_what_comes_and_goes_all_the_time_is_held_back_and_counted() -> None:
    damping = Damping()
    flapping = [Happened(NOW, "rebalance")] * 100
    through = damping.through([*flapping, Happened(NOW, "kafka-away")], NOW)
    assert [each.kind for each in through] == ["rebalance"] * KIND_MAX + ["kafka-away"]
    assert damping.through(flapping, NOW + 1) == []
    (told_later,) = damping.through([], NOW + 3600)
    assert dict(told_later.values) == {"n": 170, "of": "rebalance"}
    assert damping.through([Happened(NOW, "rebalance")], NOW + 3601) != []


def test_an_entry_survives_the_topic() -> None:
    entry = Entry([Happened(NOW, "dead-letters", {"n": 2, "reason": "invalid"})], replace(SEEN, dead={"invalid": 2}))
    assert from_json(to_json(entry)) == entry


JUNK = [None, b"", b"{}", b"[]", b"\xff", b'{"version":1}', b'{"version":1,"happened":[],"seen":{}}', b"null", b"1e999"]


@pytest.mark.parametrize("value", JUNK)
def test_what_is_no_entry_is_none(value: bytes | None) -> None:
    assert from_json(value) is None


@pytest.mark.parametrize("change", [{"gateways": 5}, {"dead": []}, {"workers": {"m": None}}, {"kafka_until": "x"}])
def test_an_entry_with_another_kind_of_part_is_none(change: dict[str, Any]) -> None:
    fields = orjson.loads(to_json(Entry([], SEEN)))
    fields["seen"] |= change
    assert from_json(orjson.dumps(fields)) is None
    assert from_json(orjson.dumps(orjson.loads(to_json(Entry([], SEEN))) | {"version": 2})) is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [*LEVELS, "of-a-later-version"])
def test_every_kind_is_told_whatever_its_values(kind: str, language: Any) -> None:
    for values in ({}, {"n": "<b>", "seconds": "x", "worker": "<i>", "instance": "<i>"}, {"n": 1.5, "seconds": 3}):
        text = told(kind, values, language)
        assert text
        assert "<i>" not in text


def page(*found: Happened, before: float | None = None, worries: bool = False) -> dict[str, Any]:
    look: Any = SimpleNamespace(at=NOW, happened=Reading(Known(found, len(found), SEEN), NOW))
    return happenings(look, before=before, worries=worries)


def test_the_page_has_the_newest_first_and_goes_on_where_it_ends() -> None:
    many = [Happened(NOW - number, "rebalance") for number in range(250)]
    first = page(*many)
    assert [event["at"] for event in first["events"]] == [NOW - number for number in range(PAGE)]
    assert page(*many, before=first["older"])["events"][0]["at"] == NOW - PAGE
    assert page(*many, before=NOW - 200)["older"] is None
    assert page(*many, Happened(NOW, "kafka-away"), worries=True)["events"][0]["kind"] == "kafka-away"


def test_what_has_one_time_stays_on_one_page() -> None:
    many = [Happened(NOW - number // 3, "rebalance") for number in range(250)]
    first = page(*many)
    assert (len(first["events"]), first["older"]) == (102, NOW - 33)
    assert len(first["events"]) + len(page(*many, before=first["older"])["events"]) == 204
    assert page(*many[:100])["older"] is page(*many[:101])["older"] is None


def test_under_a_chart_is_what_happened_in_its_time() -> None:
    look: Any = SimpleNamespace(
        at=NOW, happened=Reading(Known([Happened(NOW - s, "rebalance") for s in (5, 95, -3)], 3, SEEN), NOW)
    )
    assert [mark["at"] for mark in marks(look, 60)] == [NOW - 5]
    assert marks(SimpleNamespace(at=NOW, happened=Reading()), 60) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "x", "-1", "1e9", "nan", "9" * 400, "1.", "٣"])
def test_what_is_no_instant_is_none(text: str) -> None:
    assert seconds(text) is None


class Written:
    """A chronicle that keeps what is added, or fails."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.read_times = 0
        self.error: Exception | None = None

    async def read(self) -> Known:
        self.read_times += 1
        return Known((), 0, self.entries[-1].seen if self.entries else None)

    async def add(self, entry: Entry) -> None:
        if self.error:
            raise self.error
        read = from_json(to_json(entry))
        assert read is not None
        self.entries.append(read)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A keeper whose surroundings are these."""

    class Groups:
        def __init__(self, *_: object) -> None: ...

        async def ask(self) -> dict[str, Group]:
            return {"metrics": BOTH}

        async def close(self) -> None: ...

    monkeypatch.setattr(keeping, "Groups", Groups)
    parts = SimpleNamespace(
        chronicle=Written(),
        backlog=SimpleNamespace(away_since=None, silence=None, brokers=SimpleNamespace(away=())),
        partitions=SimpleNamespace(owned={0: None}),
        read_model=SimpleNamespace(complete=True, states=dict),
        now=NOW,
    )
    shape: Any = vars(parts) | {"now": None}
    del shape["now"]
    topics: Any = SimpleNamespace(applications="applications", prefix="")
    parts.keeper = Keeper(kafka=topics, topics=topics, database=None, clock=lambda: parts.now, **shape)
    return parts


async def test_only_the_owner_of_partition_0_writes_and_the_next_one_goes_on(parts: Any) -> None:
    parts.partitions.owned = {1: None}
    await parts.keeper.look()
    assert (parts.chronicle.read_times, parts.chronicle.entries) == (0, [])
    parts.partitions.owned = {0: None}
    for _ in range(3):
        await parts.keeper.look()
    assert [[each.kind for each in entry.happened] for entry in parts.chronicle.entries] == [["watching"]]
    parts.partitions.owned = {}
    await parts.keeper.look()
    parts.partitions.owned = {0: None}
    await parts.keeper.look()
    assert parts.chronicle.read_times == 2


async def test_an_outage_of_kafka_is_written_down_once_it_is_over(parts: Any) -> None:
    await parts.keeper.look()
    parts.backlog.away_since = parts.now = NOW + 10
    await parts.keeper.look()
    parts.backlog.away_since, parts.now = None, NOW + 70
    parts.backlog.silence = (NOW + 8, NOW + 68)
    for _ in range(2):
        await parts.keeper.look()
    assert [[each.kind for each in entry.happened] for entry in parts.chronicle.entries][1:] == [
        ["kafka-away", "kafka-back"]
    ]


@pytest.mark.parametrize(("error", "told"), [(OSError("refused"), ["database-away"]), (TypeError("ours"), [])])
async def test_only_what_the_database_does_is_an_outage_of_it(parts: Any, error: Exception, told: list[str]) -> None:
    await parts.keeper.look()

    async def intake() -> Intake:
        raise error

    async def close() -> None: ...

    parts.keeper._database = SimpleNamespace(intake=intake, close=close)
    for _ in range(3):
        await parts.keeper.look()
    assert [each.kind for entry in parts.chronicle.entries[1:] for each in entry.happened] == told


async def test_what_could_not_be_written_is_written_the_next_time(parts: Any) -> None:
    await parts.keeper.look()
    parts.read_model.states = lambda: {0: SimpleNamespace(reasons={"invalid": 2}, missing=0)}
    parts.chronicle.error = TimeoutError()
    await parts.keeper.look()
    parts.chronicle.error = None
    await parts.keeper.look()
    assert [each.kind for each in parts.chronicle.entries[-1].happened] == ["dead-letters"]
