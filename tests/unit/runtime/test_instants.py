"""A time that no calendar knows is none; all others are."""

import pytest

from runtime.instants import instant


@pytest.mark.parametrize(
    "seconds", [2**63 / 1000, -(2**63) / 1000, 253_402_300_799.0, -62_135_596_800.0, float("nan"), float("inf")]
)
def test_what_cannot_be_shown_in_every_zone_is_none(seconds: float) -> None:
    assert instant(seconds) is None


@pytest.mark.parametrize(
    ("seconds", "year"), [(-0.001, 1969), (0.0, 1970), (1_795_000_000.0, 2026), (253_402_000_000.0, 9999)]
)
def test_any_other_is_an_instant(seconds: float, year: int) -> None:
    found = instant(seconds)
    assert found is not None
    assert found.year == year
