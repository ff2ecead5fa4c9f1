"""Bodies that are made to cost much: all that a million bytes can hold of something that is no application."""

from collections.abc import Callable

SIZE = 1_000_000


def _full(unit: bytes, before: bytes, after: bytes) -> bytes:
    return before + b",".join([unit] * ((SIZE - len(before) - len(after)) // (len(unit) + 1))) + after


def _members(before: bytes, after: bytes, value: bytes = b"1") -> bytes:
    count = (SIZE - len(before) - len(after)) // (len(value) + 9)
    return before + b",".join(b'"%05x":%b' % (number, value) for number in range(count)) + after


HEAVY = {
    "unknown members": _members(b'{"user_name":"a",', b"}"),
    "unknown members behind good ones": _members(b'{"user_name":"a","description":"b",', b"}"),
    "unknown members of text": _members(b"{", b"}", b'"\\u00e4"'),
    "members inside a name": _members(b'{"user_name":{', b'},"description":"b"}'),
    "the same member": _full(b'"a":1', b"{", b"}"),
    "the same member as required": _full(b'"user_name":"a"', b"{", b',"description":"b"}'),
    "objects": _full(b"{}", b'{"a":[', b"]}"),
    "objects in a field": _full(b'{"a":1}', b'{"user_name":[', b'],"description":"b"}'),
    "objects hidden behind a good field": _full(b"{}", b'{"user_name":[', b'],"user_name":"a","description":"b"}'),
    "arrays": _full(b"[]", b'{"a":[', b"]}"),
    "nested arrays": _full(b"[[[[[[[[]]]]]]]]", b'{"a":[', b"]}"),
    "whole numbers": _full(b"1", b'{"a":[', b"]}"),
    "large numbers": _full(b"9" * 4_000, b'{"a":[', b"]}"),
    "fractions": _full(b"1e308", b'{"a":[', b"]}"),
    "digits": b'{"user_name":' + b"9" * SIZE + b"}",
    "empty texts": _full(b'""', b'{"a":[', b"]}"),
    "quotation marks": b'{"user_name":"a","description":"' + b'\\"' * (SIZE // 2 - 100) + b'"}',
    "escapes": b'{"user_name":"a","description":"' + b"\\u0041" * (SIZE // 6 - 100) + b'"}',
    "backslashes": b'{"user_name":"a","description":"' + b"\\\\" * (SIZE // 2 - 100) + b'"}',
    "brackets": b"[" * SIZE,
    "braces": b'{"":' * (SIZE // 4),
    "one long name": b'{"' + b"%" * (SIZE - 100) + b'":1}',
    "no object": _full(b"1", b"[", b"]"),
    "no object, but objects": _full(b"{}", b"[", b"]"),
    "white space": b" " * (SIZE - 100) + b'{"a":1}',
    "just below the bound": b"{" + b",".join(b'"%x":[]' % number for number in range(5_900)) + b"}",
    "objects just below the bound": b'{"user_name":[' + b",".join([b"{}"] * 11_900) + b"]}",
}

# The same as a batch: as one line, as one element, and as many small items.
BATCHES: dict[str, Callable[[bytes], tuple[str, bytes]]] = {
    "a line": lambda body: ("application/x-ndjson", body + b"\n"),
    "an element": lambda body: ("application/json", b"[" + body + b"]"),
}
MANY = {
    "lines with errors": ("application/x-ndjson", (b"{" + b",".join(b'"%x":1' % n for n in range(900)) + b"}\n") * 900),
    "elements with errors": (
        "application/json",
        b"[" + b",".join([b"{" + b",".join(b'"%x":1' % n for n in range(900)) + b"}"] * 900) + b"]",
    ),
    "small errors": ("application/x-ndjson", b'{"":1}\n' * 999),
    "lines that are too many": ("application/x-ndjson", b"1\n" * 400_000),
    "elements that are too many": ("application/json", b"[" + b",".join([b"1"] * 100_000) + b"]"),
    "a line without an end": ("application/x-ndjson", b'{"a":"' + b"a" * 8_000_000),
    "a line of 8 MB": ("application/x-ndjson", b'{"a":"' + b"a" * 8_000_000 + b'"}\n{}\n'),
    "an element of 8 MB": ("application/json", b'[{"a":"' + b"a" * 8_000_000 + b'"}]'),
    "an array of arrays": ("application/json", b"[" + b",".join([b"[]"] * 80_000) + b"]"),
}
