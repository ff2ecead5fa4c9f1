"""The search box of every page: an id, a place on the topic, a dead letter or a user name, and the page that has it."""

import re
from urllib.parse import urlencode

from stream_workers.web.facts.trace_page import Traces, parsed

# As people write it, and as `headgate dead-letters list` does.
_PLACE = re.compile(r"(\d{1,9})\s*[:/]\s*(\d{1,18})", re.ASCII)
# An id, also in the middle of an address.
_ID = re.compile(r"(?<![0-9a-f-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f-])", re.IGNORECASE)


async def destination(text: str, traces: Traces) -> str:
    """Where to go; what is neither an id nor a place is a user name."""
    text = text.strip()
    named = _ID.search(text)
    if id_ := parsed(named[0] if named else text):
        return f"/trace?id={id_}"
    if place := _PLACE.fullmatch(text):
        partition, offset = int(place[1]), int(place[2])
        found = await traces.at(partition, offset)
        return f"/trace?id={found}" if found else f"/dead-letters/{partition}/{offset}"
    return f"/live?{urlencode({'user': text})}" if text else "/"
