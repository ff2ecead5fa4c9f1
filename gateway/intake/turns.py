"""Long work in parts, of which each turn of the event loop does one, whoever it is for.

Were each body only interrupted for itself, the parts of all that are being read would be done one after the other in
the same turn, and everybody else would wait for all of them.
"""

import asyncio

PART_BYTES = 32 * 1024
"""Of a body, so much is a part: what is no longer is read where it is, without waiting."""


class Turns:
    """The turns of one process: first come, first served."""

    def __init__(self) -> None:
        self._mine = asyncio.Lock()

    async def next(self) -> None:
        """Returns when the next part may be done, which is never in the turn of another part."""
        async with self._mine:
            await asyncio.sleep(0)
