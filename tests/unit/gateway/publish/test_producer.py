"""What a producer does where the brokers say less than it needs."""

from types import SimpleNamespace
from typing import Any

import pytest

from contracts import USER_NAME_MAX
from gateway.publish.producer import Producer, SendError, _hash


@pytest.mark.parametrize("partitions", [None, set()])
def test_a_topic_that_is_gone_condemns_the_producer_and_ends_nothing(partitions: set[int] | None) -> None:
    cluster = SimpleNamespace(partitions_for_topic=lambda _: partitions)
    itself: Any = SimpleNamespace(
        _topic="applications", _kafka=SimpleNamespace(client=SimpleNamespace(cluster=cluster))
    )
    event: Any = SimpleNamespace(user_name="ada")
    with pytest.raises(SendError, match="no topic applications"):
        Producer._shares(itself, [event])


def test_what_is_kept_of_names_is_bounded_in_bytes() -> None:
    kept = _hash.cache_info().maxsize
    assert kept is not None
    assert kept * len(("\U0001d518" * USER_NAME_MAX).encode()) < 20_000_000
