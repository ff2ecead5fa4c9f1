"""Everything that ends a worker on purpose, as one tree; the exit code tells a supervisor what helps.

WorkerError                  1
├── OperatorNeededError      3  a restart changes nothing: somebody must decide
│   ├── HoleError               offsets are gone from the topic before they were counted
│   ├── RecreatedTopicError     the topic is another one than the state was built from
│   ├── BreakerOpenError        more than half of the last thousand events are bad
│   ├── PartitionsDifferError   the changelog has fewer partitions than the topic
│   ├── LaterVersionError       a later version wrote the state
│   ├── ReplacedError           another worker has this one's instance id
│   ├── OpenBindError           the web view would be open to other machines, without a token
│   └── PortError               its web port is taken, or cannot be listened on
└── RestartHelpsError        4  the state is safe in Kafka: start again and it goes on
    ├── StuckError              events are waiting and nothing moves
    ├── StateNotWrittenError    Kafka did not take the state
    └── KafkaAwayError          Kafka did not answer
        └── NoTopicError        it knows no such topic
"""

from errno import EADDRINUSE
from typing import ClassVar


class WorkerError(Exception):
    """A worker stops and says why; the message names what is wrong and how to mend it."""

    exit_code: ClassVar[int] = 1


class OperatorNeededError(WorkerError):
    """A restart changes nothing."""

    exit_code: ClassVar[int] = 3


class HoleError(OperatorNeededError):
    """Offsets ``start`` to ``end`` (inclusive) are not in the topic any more and were never counted."""

    def __init__(self, *, table: str, topic: str, partition: int, start: int, end: int) -> None:
        super().__init__(
            f"{topic}[{partition}]: offsets {start} to {end} are gone before {table} read them (retention, or deleted "
            f"records). To go on without them, stop the {table} workers and run "
            f"`headgate metrics book-missing --table {table} --partition {partition}`; they are then booked as missing."
        )
        self.partition = partition
        self.start = start
        self.end = end


class RecreatedTopicError(OperatorNeededError):
    """The state belongs to a topic that is not there any more."""

    def __init__(self, *, table: str, topic: str, partition: int, why: str) -> None:
        super().__init__(
            f"{topic}[{partition}]: {why}, so this is not the topic that {table} was built from. "
            f"If it was recreated on purpose, stop the {table} workers and run "
            f"`headgate metrics rebuild --table {table}`."
        )


class BreakerOpenError(OperatorNeededError):
    """Too many bad events in a row: a bad deploy, here or at the producer."""

    def __init__(self, *, topic: str, partition: int, offset: int, bad: int, window: int, reason: str) -> None:
        super().__init__(
            f"{topic}[{partition}]: {bad} of the last {window} events are bad, the next at offset {offset} ({reason}). "
            "Counting stops here rather than moving the topic into the dead letters. It goes on by itself with a "
            "worker that can read these events; to let them become dead letters, run `headgate dead-letters release`."
        )


class PartitionsDifferError(OperatorNeededError):
    """The changelog must have all of the source topic's partitions; it has more only while topics grow."""

    def __init__(self, *, topic: str, partitions: int, changelog: str, changelog_partitions: int) -> None:
        super().__init__(
            f"{topic} has {partitions} partitions and {changelog} has {changelog_partitions}: they must be equal. Run "
            f"`headgate topics grow` with KAFKA_PARTITIONS={max(partitions, changelog_partitions)}."
        )


class LaterVersionError(OperatorNeededError, ValueError):
    """What a later version wrote is a state, and nobody may begin anew beside it."""

    def __init__(self, *, table: str, version: int, known: int) -> None:
        super().__init__(f"a state of {table} has version {version}, this one reads up to {known}: upgrade it")


class ReplacedError(OperatorNeededError):
    """Kafka gave this worker's place in the group to another one that calls itself the same."""

    def __init__(self, *, instance_id: str, group: str) -> None:
        super().__init__(
            f"another worker of the group {group} has WORKER_INSTANCE_ID={instance_id} too, and took over this one's "
            "partitions. Give each worker an id of its own, or none; nothing is lost, the other one goes on counting."
        )


class OpenBindError(OperatorNeededError):
    """The web view shows who submits what: not to a whole network by accident."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"WORKER_WEB_HOST={host} shows the web view to other machines, and WORKER_WEB_TOKEN is not set. "
            "Set a token, or bind to 127.0.0.1, or set WORKER_WEB_OPEN=true where something else guards the port."
        )


class PortError(OperatorNeededError):
    """A worker without its web server is one that nobody can look at."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"port {port} (WORKER_WEB_PORT) is taken by another program: stop it or set another port"
            if error.errno == EADDRINUSE
            else f"{host} port {port} (WORKER_WEB_HOST, WORKER_WEB_PORT) cannot be listened on: {error.strerror}"
        )


class RestartHelpsError(WorkerError):
    """The state is safe in Kafka; a new start goes on from it."""

    exit_code: ClassVar[int] = 4


class StuckError(RestartHelpsError):
    """Events are waiting and nothing moves."""


class StateNotWrittenError(RestartHelpsError):
    """Kafka did not take a state."""


class KafkaAwayError(RestartHelpsError):
    """Kafka did not answer in time, or not what was asked: nothing is known."""


class NoTopicError(KafkaAwayError):
    """Kafka says that there is no such topic; a broker that has just started may say so of one that is there."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"Kafka knows no topic {topic}: `headgate topics create` makes it, if it should not be there")


def why(error: BaseException) -> str:
    """What a failed question ended with, in words where it has some."""
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else repr(error))
