"""A stock Faust agent that decodes each event's JSON and does nothing with it; tells its rate after EVENTS events.

``python -m bench.baselines.empty_agent EVENTS``. The first events are left out: joining the group takes seconds.
"""

import asyncio
import sys
from typing import Any

import faust
import uvloop

from bench.baselines.outcome import Stopwatch
from stream_workers.kafka.entry import faust_options
from stream_workers.settings import Settings

_WARM_UP = 1_000


def create_app(settings: Settings, count: int, done: asyncio.Event) -> faust.App:
    app = faust.App(
        f"{settings.kafka_prefix}empty",
        **faust_options(settings.kafka),
        topic_allow_declare=False,
        topic_disable_leader=True,
    )
    topic = app.topic(settings.topics.applications, key_type=bytes, key_serializer="raw")

    @app.agent(topic)
    async def nothing(stream: Any) -> None:
        seen, watch = 0, Stopwatch()
        async for _ in stream:
            seen += 1
            if seen == _WARM_UP:
                watch = Stopwatch()
            if seen == count:
                watch.tell(count - _WARM_UP)
                done.set()

    return app


async def main(count: int) -> None:
    done = asyncio.Event()
    app = create_app(Settings(), count, done)
    app.conf.web_enabled = False
    await app.start()
    await done.wait()
    await app.stop()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
