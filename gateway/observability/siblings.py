"""Several gateway processes behind one socket: a scrape reaches any of them, so each can tell the figures of all.

Each process listens on a Unix socket in a folder that their supervisor made, named after its place. Nothing is written
while nobody asks. A sibling that does not answer in time is left out of that scrape.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

ANSWER_SECONDS = 1.0

log = logging.getLogger(__name__)


class Siblings:
    """``folder`` is None for a process that is alone; ``process`` is its place among the others."""

    def __init__(self, folder: Path | None = None, process: str = "0") -> None:
        self.process = process
        self._folder = folder
        self._server: asyncio.Server | None = None

    async def start(self, own: Callable[[], list[Metric]]) -> None:
        """Answer siblings with ``own`` from now on."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                writer.write(json.dumps([_to_json(family) for family in own()]).encode())
                await writer.drain()
            writer.close()

        if self._folder is not None:
            path = self._folder / self.process
            path.unlink(missing_ok=True)  # of a process that was killed in this place
            self._server = await asyncio.start_unix_server(answer, path)

    async def families(self) -> list[Metric]:
        """What the others tell."""
        if self._folder is None:
            return []
        paths = [path for path in sorted(self._folder.iterdir()) if path.name != self.process]
        answers = await asyncio.gather(*map(_ask, paths))
        return [_from_json(fields) for answer in answers for fields in answer]

    def stop(self) -> None:
        """No answers any more."""
        if self._server is not None and self._folder is not None:
            self._server.close()
            (self._folder / self.process).unlink(missing_ok=True)


async def _ask(path: Path) -> list[dict[str, Any]]:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                found: list[dict[str, Any]] = json.loads(await reader.read())
            finally:
                writer.close()
            return found
    except (OSError, TimeoutError, ValueError) as error:
        log.debug("Process %s does not tell its figures: %r", path.name, error)
        return []


def _to_json(family: Metric) -> dict[str, Any]:
    samples = [(sample.name, sample.labels, sample.value) for sample in family.samples]
    return {"name": family.name, "text": family.documentation, "type": family.type, "samples": samples}


def _from_json(fields: dict[str, Any]) -> Metric:
    family = Metric(fields["name"], fields["text"], fields["type"])
    samples: Iterable[tuple[str, dict[str, str], float]] = fields["samples"]
    family.samples = [Sample(name, labels, value) for name, labels, value in samples]
    return family
