"""What the web view knows and no other look of the doctor does, in the view's own words."""

import asyncio
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from cli.doctor.finding import Finding, failed, warning
from cli.doctor.machine import get
from stream_workers.kinds import METRICS
from stream_workers.settings import Settings
from stream_workers.web.showing.formats import Formats
from stream_workers.web.showing.told import told
from stream_workers.web.showing.wording import Words

# Found by another look of the doctor too, and told there.
_TOLD = {
    "kafka-away", "inexact", "lagging", "database-away", "no-gateway", "gateway-silent", "gateway-drained",
    "outbox-behind", "unpublishable", "replica-unused",
}  # fmt: skip
_RUNBOOK = {
    "no-metrics-worker": "worker-down",
    "no-journal-worker": "worker-down",
    "no-owner": "nothing-consumed",
    "missing": "counting-not-exact",
}
_TELL = {"bad": failed, "warn": warning}


async def examine(workers: Settings) -> list[Finding]:
    """Of the metrics worker that is placed here; nothing where there is none, which is told elsewhere."""
    port = workers.neighbours()[METRICS]
    report = await asyncio.to_thread(get, workers.worker_web_host, port, "/api/health")
    found = (report or {}).get("findings", [])
    return [_finding(one) for one in found if one["level"] in _TELL and one["code"] not in _TOLD]


def _finding(found: Mapping[str, Any]) -> Finding:
    code = found["code"]
    said, todo = (_text(found, part) for part in ("", "-todo"))
    page = f" docs/runbook/{_RUNBOOK[code]}.md" if code in _RUNBOOK else ""
    what = f"view: {code}" + (f" ({found['kind']})" if "kind" in found else "")
    return _TELL[found["level"]](what, said, f"{todo}{page}")


def _text(found: Mapping[str, Any], part: str) -> str:
    return told(Words("en"), Formats("en", ZoneInfo("UTC")), found["code"], found, part).unescape()
