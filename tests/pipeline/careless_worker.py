"""A worker that loses batches and has no contiguity check, for tests only: it takes whatever is newer than what it has.

The series that the real worker survives, losing as many, must catch this one; if not, the series proves nothing.
"""

import sys
from collections.abc import Sequence

from cli.main import main
from runtime.kafka.records import KafkaRecord
from stream_workers.exact import partitions
from tests.pipeline.losing_worker import lose


def anything_newer(records: Sequence[KafkaRecord], last: int) -> tuple[Sequence[KafkaRecord], int | None]:
    return [record for record in records if record.offset > last], None


if __name__ == "__main__":
    lose()
    vars(partitions)["following"] = anything_newer
    sys.argv[1:1] = ["worker"]
    main()
