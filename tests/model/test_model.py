"""The protocol of the write path holds in every interleaving, and each rule is needed (docs/model.md)."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.model import pan
from tests.support.commands import ROOT

pytestmark = [
    pytest.mark.skipif(bool(pan.TOOLS_MISSING), reason=f"the model needs {pan.TOOLS_MISSING}"),
    pytest.mark.timeout(900),
]

# What goes wrong, and how often at most, in one search.
SCENARIOS: Mapping[str, Mapping[str, int]] = {
    "two crashes, full memory": {"CRASHES": 2, "SPILLS": 1},
    "a crash and a broker away, a lost answer": {"CRASHES": 1, "BROKER_AWAY": 1, "UNKNOWN": 1},
    "a crash and a hidden end of the log": {"CRASHES": 1, "FOLLOWER_AWAY": 1, "SPILLS": 1},
    "a crash and a gateway cut off": {"CRASHES": 1, "CUT_OFF": 1},
    "the database away, lost answers": {"DATABASE_AWAY": 1, "UNKNOWN": 1, "SPILLS": 1},
    "a gateway cut off and a broker away": {"CUT_OFF": 1, "BROKER_AWAY": 1},
    "an idle partition that retention empties": {"RETENTION": 1, "CRASHES": 1},
    "a bisected batch whose first half comes back": {"BISECTED": 1, "DATABASE_AWAY": 1, "UNKNOWN": 1},
    "one idempotency key at both gateways": {"KEYED": 1, "CRASHES": 1, "UNKNOWN": 1, "CUT_OFF": 1},
}

# One rule out each time, and a scenario that shows why it is there.
MUTATIONS: Mapping[str, Mapping[str, int]] = {
    "NO_ABORT": {"BROKER_AWAY": 1},
    "NO_RECONCILE_OWN": {"BROKER_AWAY": 1},
    "NO_RECONCILE": {"CRASHES": 1},
    "NO_KEEP_CONFIRMED": {"UNKNOWN": 1},
    "NO_SPILL_ORDER": {"SPILLS": 1},
    "NO_ONE_COMMIT": {"SPILLS": 1},
    "NO_SETTLING_WRITE": {"UNKNOWN": 1},
    "NO_KEPT_TOMBSTONE": {"UNKNOWN": 1},
    "NO_LEASE_FENCE": {"CUT_OFF": 1},
    "NO_WINNERS_ONLY": {"KEYED": 1},
    "NO_KEY_IN_BATCH": {"KEYED": 1, "CRASHES": 1},
    "NO_FENCE": {"CUT_OFF": 1},
    "NO_FULL_LEASE": {},
    "NO_SINGLE_OWNER": {"CRASHES": 1},
    "NO_WAIT_FOR_FORMER": {"CUT_OFF": 1},
    "NO_SETTLE": {"CUT_OFF": 1},
    "NO_PROMPT_LEADER": {"CRASHES": 1, "BROKER_AWAY": 1},
    "NO_LOG_END": {"CRASHES": 1, "FOLLOWER_AWAY": 1},
    "NO_FRESH_POSITIONS": {"RETENTION": 1, "CRASHES": 1},
    "NO_WHOLE_BACK": {"BISECTED": 1, "DATABASE_AWAY": 1},
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_full_protocol_holds(scenario: str, tmp_path: Path) -> None:
    verdict = pan.check(tmp_path, budgets=SCENARIOS[scenario])
    print(f"{scenario}: {verdict.states} states")  # noqa: T201 -- shown with -s, kept in docs/model.md
    assert verdict.violated is None


@pytest.mark.parametrize("rule", MUTATIONS)
def test_without_a_rule_it_breaks(rule: str, tmp_path: Path) -> None:
    assert pan.check(tmp_path, budgets=MUTATIONS[rule], without=rule).violated is not None


def test_the_scenario_of_each_mutation_is_part_of_one_that_holds() -> None:
    for budgets in MUTATIONS.values():
        assert any(budgets.items() <= {**dict.fromkeys(budgets, 0), **full}.items() for full in SCENARIOS.values())


def test_every_run_ends_so_that_the_last_look_sees_every_outcome(tmp_path: Path) -> None:
    budgets = {"CRASHES": 1, "CUT_OFF": 1}
    assert pan.check(tmp_path, budgets=budgets, cycles=True).violated is None


def test_every_mutation_of_the_model_is_tried() -> None:
    assert set(re.findall(r"#ifn?def (NO_\w+)", pan.MODEL.read_text())) == set(MUTATIONS)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("commits", ("committing", "settling")),
        ("publisher", ("memory", "backlog", "waiting", "condemned", "fenced")),
    ],
)
def test_the_states_of_the_code_carry_the_names_of_the_model(module: str, words: tuple[str, ...]) -> None:
    code = next((ROOT / "gateway").rglob(f"{module}.py")).read_text()
    model = pan.MODEL.read_text()
    for word in words:
        assert f'"{word}"' in code
        assert re.search(rf"#define {word.upper()} \d", model)
