"""One answer for all who ask the same at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

_Question = TypeVar("_Question", bound=Hashable)
_Answer = TypeVar("_Answer")


class Shared(Generic[_Question, _Answer]):
    """A question is asked once at a time; who comes while it is under way shares the next asking with all others.

    So nobody is answered what was true before it asked, and a crowd costs what two cost.
    """

    def __init__(self) -> None:
        self._asked: dict[_Question, asyncio.Task[_Answer]] = {}

    async def ask(self, question: _Question, find: Callable[[], Coroutine[Any, Any, _Answer]]) -> _Answer:
        """What ``find``, begun after this call, answers or raises. A caller that leaves does not end it for others."""
        under_way = self._asked.get(question)
        if under_way is not None:
            await asyncio.wait([under_way])
        task = self._asked.get(question)
        if task is None or task is under_way:
            task = self._asked[question] = asyncio.create_task(find(), name="shared read")
            task.add_done_callback(lambda done: self._forget(question, done))
        return await asyncio.shield(task)

    def _forget(self, question: _Question, task: asyncio.Task[_Answer]) -> None:
        if self._asked.get(question) is task:
            del self._asked[question]
        if not task.cancelled():
            task.exception()  # whoever waits for it is told; if nobody does any more, it is not worth a word

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
