"""What is said of brokers that do not tell the id of a topic."""

import pytest
from aiokafka.errors import KafkaError

from runtime.kafka.metadata import TopicMetadataRequest


@pytest.mark.parametrize("versions", [{3: (0, 9)}, {3: (13, 14)}, {}])
def test_brokers_that_are_too_old_are_refused_by_name(versions: dict[int, tuple[int, int]]) -> None:
    """As an error of Kafka's, which is an outage, and no crash."""
    with pytest.raises(KafkaError, match=r"ids of topics.*docs/kafka\.md"):
        TopicMetadataRequest("applications").prepare(versions)


def test_others_are_asked() -> None:
    assert TopicMetadataRequest("applications").prepare({3: (0, 13)}).API_VERSION == 12
