"""The same with Faust: applications per user into SQLite, each once, however often this is killed and started again.

Faust acknowledges an event even where its handling failed. So events are taken with ``noack``, acknowledged by hand
after their effect, and a failure ends the worker; the next start goes on from the last acknowledged event.

    pip install faust-streaming
    KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 faust -A consumer worker --without-web
"""

import json
import os
import sqlite3

import faust
import mode

EVENT_TYPE = b"headgate.application.submitted.v1"

app = faust.App(
    os.environ.get("GROUP", "example-faust"),
    broker=f"kafka://{os.environ.get('KAFKA_BOOTSTRAP_SERVERS', '127.0.0.1:9092')}",
    agent_supervisor=mode.CrashingSupervisor,
    stream_wait_empty=False,
    topic_allow_declare=False,
    topic_disable_leader=True,
)
applications = app.topic(
    os.environ.get("TOPIC", "applications"), key_serializer="raw", value_serializer="raw", value_type=bytes
)
database = sqlite3.connect(os.environ.get("DATABASE", "applications.sqlite"))
database.execute("CREATE TABLE IF NOT EXISTS seen (ce_id TEXT PRIMARY KEY)")
database.execute("CREATE TABLE IF NOT EXISTS totals (user_name TEXT PRIMARY KEY, applications INTEGER)")


@app.agent(applications)
async def count(stream):
    """Every event: its effect, then its acknowledgement."""
    async for event in stream.noack().events():
        take(dict(event.headers or {}), event.value)
        event.ack()


def take(headers, value):
    """One event: its id and its effect, together or not at all."""
    # The version comes before the value: another one is not guessed at. No header at all is version 1.
    if headers.get("ce_type", EVENT_TYPE) != EVENT_TYPE:
        print(f"set aside: {headers['ce_type']!r}")
        return
    if "headgate-replayed" in headers:  # published again on purpose, and counted the first time
        return
    application = json.loads(value)
    ce_id = headers.get("ce_id", application["id"].encode()).decode()
    with database:
        if database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (ce_id,)).rowcount:
            database.execute(
                "INSERT INTO totals VALUES (?, 1) ON CONFLICT DO UPDATE SET applications = applications + 1",
                (application["user_name"],),
            )
