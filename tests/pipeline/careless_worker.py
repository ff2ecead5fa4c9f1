"""A worker without the contiguity check, for tests only: it takes whatever is newer than what it has.

The same series of faults that the real worker survives must catch this one; if not, the series proves nothing.
"""

import sys
from collections.abc import Sequence

from cli.main import main
from stream_workers import partitions
from stream_workers.batches import Record


def anything_newer(records: Sequence[Record], last: int) -> tuple[Sequence[Record], int | None]:
    return [record for record in records if record.offset > last], None


if __name__ == "__main__":
    vars(partitions)["following"] = anything_newer
    sys.argv[1:1] = ["worker"]
    main()
