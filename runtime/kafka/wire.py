"""Kafka's form of numbers and bytes within a record (message format 2), read with every bound checked."""

_LONGEST_VARINT = 10


class WireError(ValueError):
    """The bytes are no record."""


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
