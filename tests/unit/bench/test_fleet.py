"""The simulation of a fleet keeps to the sums that hold for any queue."""

import pytest

from bench.fleet import Costs, Postgres, measured, simulate, smallest

COSTS = Costs(gateway=60e-6, gateway_commit=500e-6, postgres=10e-6, postgres_commit=250e-6, flush=1e-3)


def test_what_is_offered_is_taken_while_there_is_room() -> None:
    outcome = simulate(COSTS, 5_000, gateways=2, cores=4)
    assert outcome.rate == pytest.approx(5_000, rel=0.05)
    commits = outcome.rate / outcome.commit_size
    assert outcome.postgres_cores == pytest.approx(5_000 * 10e-6 + commits * 250e-6, rel=0.05)
    assert outcome.p50 >= COSTS.flush
    assert outcome.flushes <= 1 / COSTS.flush + 1


def test_one_gateway_takes_no_more_than_its_core() -> None:
    outcome = simulate(COSTS, 50_000, gateways=1, cores=4)
    assert outcome.rate == pytest.approx(500 / (500e-6 + 500 * 60e-6), rel=0.05)
    assert outcome.commit_size == pytest.approx(500, rel=0.05)


def test_one_core_of_postgresql_bounds_all_gateways() -> None:
    outcome = simulate(COSTS, 200_000, gateways=40, cores=1)
    assert outcome.postgres_cores == pytest.approx(1, rel=0.15)  # with what was queued at the end
    assert outcome.rate < 200_000


def test_commits_that_wait_share_a_flush() -> None:
    postgres = Postgres(3, Costs(0, 0, 0, postgres_commit=1.0, flush=10.0))
    assert [postgres.commit(at, 1) for at in (0.0, 1.0, 2.0, 12.0)] == [11.0, 21.0, 21.0, 31.0]
    assert postgres.flushes == 3


def test_the_fewest_gateways_are_found() -> None:
    gateways, outcome = smallest(COSTS, 20_000, cores=8)
    assert outcome.p99 <= 0.010
    assert simulate(COSTS, 28_000, gateways=gateways, cores=8).p99 <= 0.010
    assert simulate(COSTS, 28_000, gateways=gateways - 1, cores=8).p99 > 0.010


def test_what_postgresql_cannot_take_is_said() -> None:
    with pytest.raises(RuntimeError, match="200000 a second are too many for 1 cores"):
        smallest(COSTS, 200_000, cores=1)


def test_costs_come_from_commits_of_several_sizes() -> None:
    def rounds(commit_size: float) -> list[dict[str, object]]:
        cpu = {"server": 60 + 500 / commit_size, "postgresql": 10 + 250 / commit_size}
        return [{"row_versions": 1 + 1 / commit_size, "cpu": cpu}]

    figures = {"1 gateway": rounds(40), "2 gateways": rounds(20), "3 gateways": rounds(10), "flush_seconds": 1e-3}
    found = measured(figures | {"2 brokers": rounds(1)})
    assert vars(found) == pytest.approx(vars(COSTS))
