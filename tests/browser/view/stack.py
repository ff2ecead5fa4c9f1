"""The whole stack as processes, for the browser tests: gateways, a journal worker and two metrics workers."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from contracts import Topics
from devstack.child import Child
from devstack.ports import free_port
from runtime.kafka.clients import Kafka
from stream_workers.kafka.broker import Broker
from tests.support.forked import forked

T = TypeVar("T")

TOKEN = "open-sesame-0123456789"
READY_SECONDS = 120.0
# One of the two metrics workers wants a token; both show the same counters.
OPEN, GUARDED = "metrics-1", "metrics-2"
STACK = ("gateway", "journal-1", OPEN, GUARDED)


@dataclass
class Stack:
    """Processes by name, each with a web port of its own; ``beyond``: applications that never were in PostgreSQL."""

    database_url: str
    kafka: Kafka
    topics: Topics
    logs: Path
    children: dict[str, Child] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    beyond: int = 0

    def start(self, names: Sequence[str]) -> None:
        """All of it, ready; a name says what kind of process it is, and after a dash which one."""
        for name in names:
            self.launch(name)
        for name in self.children:
            self.wait_ready(name)

    def launch(self, name: str) -> None:
        """Start one process, or start it again on its old port."""
        port = self.ports.setdefault(name, free_port())
        kind = name.partition("-")[0]
        command = ["gateway"] if kind == "gateway" else ["worker", kind]
        env = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_PREFIX": self.topics.prefix,
            "GATEWAY_PORT": str(port),
            "WORKER_WEB_PORT": str(port),
            "RATE_LIMIT_PER_MINUTE": "0",
        }
        env |= {} if kind == "gateway" else {"WORKER_INSTANCE_ID": name}
        env |= {"WORKER_WEB_TOKEN": TOKEN} if name == GUARDED else {}
        log = self.logs / f"{name}.log"
        self.children[name] = forked(["cli", *command], name=name, log=log, env=env)

    def wait_ready(self, name: str) -> None:
        until(lambda: self._answers(name) or self._gone(name), f"{name} is ready")

    def kill(self, name: str) -> None:
        self.children[name].kill()

    def stop(self) -> None:
        """All at once: each takes its time to leave."""
        with ThreadPoolExecutor(len(self.children)) as threads:
            list(threads.map(Child.stop, self.children.values()))

    def url(self, name: str, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text()

    def api(self, page: str) -> dict[str, Any]:
        """A page's JSON, from the worker without a token."""
        found: dict[str, Any] = httpx.get(self.url(OPEN, f"/api/{page}"), timeout=20).raise_for_status().json()
        return found

    def happened(self) -> list[str]:
        """The kinds of what happened, the newest first."""
        return [event["kind"] for event in self.api("events")["events"]]

    def submit(self, *names: str) -> list[str]:
        """One application for each user name; their ids."""
        items = [{"user_name": name, "description": f"a bridge for {name}"} for name in names]
        answer = httpx.post(self.url("gateway", "/applications/batch"), json=items, timeout=60).raise_for_status()
        return [result["id"] for result in answer.json()["results"]]

    def dead_letter(self, value: bytes | None, *headers: tuple[str, bytes]) -> None:
        """Something on the topic that is no application, counted as dead."""
        before = self.api("overview")["dead"]
        self.produce(self.topics.applications, value, key=b"\x00bad", headers=headers)
        until(lambda: bool(self.api("overview")["dead"] > before), "it is among the dead letters")

    def produce(self, topic: str, value: bytes | None, *, key: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        """One record, as it is."""

        async def send() -> None:
            producer = self.kafka.producer()
            await producer.start()
            try:
                await producer.send_and_wait(topic, value, key=key, headers=list(headers))
            finally:
                await producer.stop()

        in_thread(send())

    def total(self) -> int:
        """Applications as the gateway counts them in PostgreSQL."""
        return int(
            httpx.get(self.url("gateway", "/applications?size=1"), timeout=60).raise_for_status().json()["total"]
        )

    def until_counted(self) -> int:
        """Wait until the counters have what PostgreSQL has, and what a test put on the topic; how many that is."""
        until(lambda: bool(self.api("overview")["total"] == self.total() + self.beyond), "all is counted")
        return self.total() + self.beyond

    def topic_ends(self) -> dict[int, int]:
        """The topic's end offsets, asked of the broker."""

        async def ask() -> dict[int, int]:
            async with await Broker.connected(self.kafka) as broker:
                topic = self.topics.applications
                return await broker.end_offsets(topic, await broker.partitions(topic))

        return in_thread(ask())

    def _answers(self, name: str) -> bool:
        try:
            return httpx.get(self.url(name, "/readyz"), timeout=5).is_success
        except httpx.HTTPError:
            return False

    def _gone(self, name: str) -> bool:
        child = self.children[name]
        assert child.running, child.epitaph()
        return False


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of a coroutine, run on an event loop of its own: the browser's keeps this thread's busy."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def until(condition: Callable[[], bool], what: str, *, seconds: float = READY_SECONDS) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
