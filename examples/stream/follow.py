"""Follows the applications as they come, and goes on where it was left, however often this or a gateway is killed.

The place is kept in a file, written after the effect of each application: what was in work when this was killed is
shown once more, and nothing is left out. Nothing but Python's standard library is needed.

    GATEWAY=http://127.0.0.1:8000 python follow.py
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

GATEWAY = os.environ.get("GATEWAY", "http://127.0.0.1:8000")
PLACE = Path(os.environ.get("PLACE", "place.txt"))
# The gateway says something at least every 15 seconds.
SILENCE_SECONDS = 40


def events(place: str) -> Iterator[tuple[str, str]]:
    """Place and data of each event of one connection; the data of one that only moves the place is empty."""
    headers = {"Accept": "text/event-stream"}
    if place:
        headers["Last-Event-ID"] = place
    if key := os.environ.get("API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"{GATEWAY}/applications/stream", headers=headers)  # noqa: S310 -- the user's own address
    with urllib.request.urlopen(request, timeout=SILENCE_SECONDS) as answer:  # noqa: S310
        fields = {"id": "", "data": ""}
        for line in answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if line == b"\n":  # only the empty line completes an event
                yield fields["id"], fields["data"]
                fields = {"id": "", "data": ""}
            elif name in fields:
                fields[name] = value


def main() -> None:
    place = PLACE.read_text() if PLACE.exists() else ""
    while True:
        try:
            for place, data in events(place):  # noqa: B020 -- the next connection goes on from there
                if data:
                    application = json.loads(data)
                    print(application["id"], application["user_name"], flush=True)
                PLACE.write_text(place)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                sys.exit(f"{error.code}: {error.read().decode()}")
            time.sleep(int(error.headers.get("Retry-After", "1")))
        except (OSError, http.client.HTTPException) as error:
            print(f"cut off ({error}), coming back", file=sys.stderr)
        time.sleep(1)


if __name__ == "__main__":
    main()
