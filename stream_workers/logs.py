"""Logging of a worker: Faust and aiokafka look like our own lines."""

from runtime import logs
from stream_workers.settings import Settings

# These tell much of what is said elsewhere in fewer words.
_QUIET = ("aiokafka", "faust", "mode", "aiohttp.access", "stream_workers.kafka.batches")
# What these repeat is told once.
_LIBRARIES = ("aiohttp", "aiokafka", "asyncio", "faust", "mode", "opentelemetry")


def configure_logs(settings: Settings) -> None:
    """As the settings say, for the whole process."""
    logs.configure(settings, quiet=_QUIET, libraries=_LIBRARIES)
