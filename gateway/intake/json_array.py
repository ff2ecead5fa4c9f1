"""A JSON array cut into its elements as it arrives, so that a large one neither holds the event loop nor fills memory.

What an element says, and whether that is right, is judged by whoever takes its text.
"""

import codecs
import json
import re
from collections.abc import Iterator

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


class ArrayReader:
    """Gives out the text of each element once it is complete; a byte order mark before the array is passed over.

    MalformedJsonError for what is no JSON; ValidationError for a body that begins as another value than an array, of
    which no more is read.

    After a piece that does not complete an element, the next try is made when twice as much is there, so that a
    body in very small pieces costs no more than n log n.
    """

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._json = json.JSONDecoder(parse_int=str, parse_float=str)  # nothing but where a value ends is asked
        self._text = ""
        self._expect = "["
        self._try_at = 0
        self._final = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The elements that are complete now."""
        try:
            self._text += self._utf8.decode(piece, self._final)
        except UnicodeDecodeError:
            raise MalformedJsonError(reason="not UTF-8") from None
        if self._final or len(self._text) >= self._try_at:
            if len(self._text) > _PARTS_MAX:
                json_body.refuse_crowded(self._text.encode(), most=_PARTS_MAX)
            yield from self._elements()

    def end(self) -> Iterator[bytes]:
        """The elements that only the end completes."""
        self._final = True
        yield from self.feed(b"")
        if self._expect != "end":
            raise MalformedJsonError(reason="the array does not end")

    def _elements(self) -> Iterator[bytes]:
        at = self._skip(0)
        while at < len(self._text):
            if self._expect in ("element", "element or ]") and not self._closes(at):
                end = self._end_of_element(at)
                if end is None:
                    break
                element, at = self._text[at:end], end
                self._expect = ", or ]"
                yield element.encode()
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

    def _end_of_element(self, at: int) -> int | None:
        """Where the element that begins at ``at`` ends; None if it is not complete yet."""
        try:
            _, end = self._json.raw_decode(self._text, at)
        except json.JSONDecodeError:
            self._wait_for_more(at)
            return None
        except RecursionError:
            raise MalformedJsonError(reason="nested too deeply") from None
        if not self._final and self._text[end - 1] not in '}]"' and _NUMBER.fullmatch(self._text, end):
            self._wait_for_more(at)  # a number may go on
            return None
        self._try_at = 0
        return end

    def _wait_for_more(self, at: int) -> None:
        waiting = len(self._text) - at
        if waiting > ELEMENT_MAX_CHARACTERS:
            raise MalformedJsonError(reason="an element does not end")
        if self._final:
            raise MalformedJsonError(reason=json_body.fault(self._text[at:]))
        self._try_at = 2 * waiting

    def _skip(self, at: int) -> int:
        space = _SPACE.match(self._text, at)
        return space.end() if space else at
