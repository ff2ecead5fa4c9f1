"""A JSON array read piece by piece, so that a large one neither holds the event loop nor fills the memory at once."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from gateway.intake import json_body
from gateway.problems.errors import MalformedJsonError, ValidationError
from gateway.problems.violations import Violation

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"[-+.0-9eE]*")

# With these begins a value that is no array: an object, text, a number, true, false, null.
_ANOTHER_VALUE = frozenset('{"-0123456789tfn')

# One element may be as large as one application may be; what it unpacks to in memory is bounded with it.
ELEMENT_MAX_CHARACTERS = 1024 * 1024
# Behind an element stand the next ones, as many as come with its end.
_PARTS_MAX = 2 * json_body.PARTS_MAX


class Repeated:
    """Stands for an object that names a member twice."""


class ArrayReader:
    """Gives out each element once it is complete.

    MalformedJsonError for what is no JSON; ValidationError for a body that begins as another value than an array, of
    which no more is read.

    After a piece that does not complete an element, the next try is made when twice as much is there, so that a
    body in very small pieces costs no more than n log n.
    """

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("strict")
        self._json = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
        self._text = ""
        self._expect = "["
        self._try_at = 0
        self._final = False

    def feed(self, piece: bytes) -> Iterator[Any]:
        """The elements that are complete now."""
        try:
            self._text += self._utf8.decode(piece, self._final)
        except UnicodeDecodeError:
            raise MalformedJsonError(reason="not UTF-8") from None
        if self._final or len(self._text) >= self._try_at:
            if len(self._text) > _PARTS_MAX:
                json_body.refuse_crowded(self._text.encode(), most=_PARTS_MAX)
            yield from self._elements()

    def end(self) -> Iterator[Any]:
        """The elements that only the end completes."""
        self._final = True
        yield from self.feed(b"")
        if self._expect != "end":
            raise MalformedJsonError(reason="the array does not end")

    def _elements(self) -> Iterator[Any]:
        at = self._skip(0)
        while at < len(self._text):
            if self._expect in ("element", "element or ]") and not self._closes(at):
                found = self._element(at)
                if found is None:
                    break
                element, at = found
                self._expect = ", or ]"
                yield element
            else:
                at = self._punctuation(at)
            at = self._skip(at)
        self._text = self._text[at:]

    def _closes(self, at: int) -> bool:
        return self._expect == "element or ]" and self._text[at] == "]"

    def _punctuation(self, at: int) -> int:
        sign = self._text[at]
        if self._expect == "[" and sign == "[":
            self._expect = "element or ]"
        elif self._expect == ", or ]" and sign == ",":
            self._expect = "element"
        elif self._expect in (", or ]", "element or ]") and sign == "]":
            self._expect = "end"
        elif self._expect == "[" and sign in _ANOTHER_VALUE:
            raise ValidationError([Violation("pointer", "#", "list_type", {}, "must be an array")])
        else:
            raise MalformedJsonError(reason=f"expected {self._expect}")
        return at + 1

    def _element(self, at: int) -> tuple[Any, int] | None:
        """The element that begins at ``at`` and where it ends; None if it is not complete yet."""
        try:
            element, end = self._json.raw_decode(self._text, at)
        except json.JSONDecodeError as error:
            self._wait_for_more(at, error.msg)
            return None
        except RecursionError:
            raise MalformedJsonError(reason="nested too deeply") from None
        except ValueError as error:
            raise MalformedJsonError(reason=str(error)) from None
        if not self._final and self._text[end - 1] not in '}]"' and _NUMBER.fullmatch(self._text, end):
            self._wait_for_more(at, "a number may go on")
            return None
        self._try_at = 0
        return element, end

    def _wait_for_more(self, at: int, reason: str) -> None:
        waiting = len(self._text) - at
        if self._final or waiting > ELEMENT_MAX_CHARACTERS:
            raise MalformedJsonError(reason=reason)
        self._try_at = 2 * waiting

    def _skip(self, at: int) -> int:
        space = _SPACE.match(self._text, at)
        return space.end() if space else at


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Repeated:
    members = dict(pairs)
    return members if len(members) == len(pairs) else Repeated()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
