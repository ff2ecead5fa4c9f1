"""Kafka's form of a record (message format 2), read with every bound checked."""

from typing import NamedTuple, cast

from contracts import UNREADABLE_HEADER, Header

HEADERS_MAX = 100_000

_LONGEST_VARINT = 10


class WireError(ValueError):
    """The bytes are no record."""


class Parts(NamedTuple):
    """What the bytes of a record say; its offset and timestamp are counted from those of its batch."""

    ahead: int
    further: int
    key: bytes | None
    value: bytes | None
    headers: list[Header]


class Reader:
    """Reads from ``at`` on; raises WireError rather than going past the end."""

    def __init__(self, raw: memoryview) -> None:
        self._raw, self.at = raw, 0

    @property
    def left(self) -> int:
        return len(self._raw) - self.at

    def number(self) -> int:
        """A zigzag varint."""
        value = shift = 0
        for byte in self._raw[self.at : self.at + _LONGEST_VARINT]:
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                self.at += shift // 7
                return (value >> 1) ^ -(value & 1)
        raise WireError(f"no number at byte {self.at}")

    def take(self, length: int) -> memoryview:
        if not 0 <= length <= self.left:
            raise WireError(f"{length} bytes are due at byte {self.at}, {self.left} are left")
        self.at += length
        return self._raw[self.at - length : self.at]

    def nullable(self) -> bytes | None:
        """Bytes with their length before them; -1 for none."""
        length = self.number()
        return bytes(self.take(length)) if length >= 0 else None

    def record(self) -> Parts:
        """One record; its headers' names as they are, escaped and marked where they are no text."""
        length = self.number()
        end = self.at + length
        if not 0 <= length <= self.left:
            raise WireError(f"a record of {length} bytes, {self.left} are left")
        self.take(1)
        ahead, further = self.number(), self.number()
        key, value, count = self.nullable(), self.nullable(), self.number()
        headers, why = self._headers(count) if count <= HEADERS_MAX else ([], f"{count} headers")
        if self.at > end or (self.at != end and count <= HEADERS_MAX):
            raise WireError("its length is not that of its parts")
        self.at = end
        return Parts(ahead, further, key, value, [(UNREADABLE_HEADER, why.encode()), *headers] if why else headers)

    def _headers(self, count: int) -> tuple[list[Header], str]:
        headers, why = [], ""
        for _ in range(count):
            name = self.take(self.number())
            try:
                text = str(name, "utf-8")
            except UnicodeDecodeError:
                text, why = str(name, "utf-8", "backslashreplace"), "a header's name is no UTF-8"
            headers.append((text, cast("bytes", self.nullable())))  # null where Kafka has null
        return headers, why


def cut(body: memoryview, count: int, *, size: int) -> list[tuple[memoryview, int]]:
    """A batch's records in pieces of at most ``size`` bytes, each of whole records, with how many are in it.

    A larger record is a piece of its own. The last piece is the rest as it is where no lengths make sense.
    """
    pieces, start, at, held = [], 0, 0, 0
    while len(body) - start > size and held < count and (end := _end_of_record(body, at)):
        if end - start > size and held:
            pieces.append((body[start:at], held))
            start, count, held = at, count - held, 0
        at, held = end, held + 1
    return [*pieces, (body[start:], count)] if count else pieces


def _end_of_record(body: memoryview, at: int) -> int | None:
    """Where the record at ``at`` ends by its own word; None where it says nonsense."""
    length = shift = 0  # as Reader.number, at a fifth of its time: this goes over every record of a large batch
    try:
        while (byte := body[at]) >= 0x80:
            length |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
    except IndexError:
        return None
    length |= byte << shift
    end = at + 1 + (length >> 1)
    return None if length & 1 or end > len(body) else end
