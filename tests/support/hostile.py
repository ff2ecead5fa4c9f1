"""Requests that must not be accepted, and some odd ones that must: the corpus of hostile input."""

from dataclasses import dataclass, field

JSON = "application/json"


@dataclass(frozen=True)
class Case:
    """A request to POST /applications and the status that it must get."""

    name: str
    body: bytes
    status: int
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": JSON})
    chunked: bool = False

    def request(self, target: str = "/applications") -> bytes:
        """The bytes on the wire."""
        fields = {"Host": "localhost", **self.headers}
        if self.chunked:
            fields["Transfer-Encoding"] = "chunked"
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in _cut(self.body)) + b"0\r\n\r\n"
        else:
            fields["Content-Length"] = str(len(self.body))
            body = self.body
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def _cut(body: bytes) -> list[bytes]:
    return [body[start : start + 65_536] for start in range(0, len(body), 65_536)]


def _json(user_name: str = '"a"', description: str = '"b"', more: str = "") -> bytes:
    return f'{{"user_name": {user_name}, "description": {description}{more}}}'.encode()


def _typed(content_type: str | None, **more: str) -> dict[str, str]:
    return ({} if content_type is None else {"Content-Type": content_type}) | {
        name.replace("_", "-"): value for name, value in more.items()
    }


_NOT_JSON = {
    "empty": b"",
    "white space": b"  \n",
    "half": b'{"user_name": "a"',
    "trailing comma": b'{"user_name": "a", "description": "b",}',
    "single quotes": b"{'user_name': 'a', 'description': 'b'}",
    "comment": b'{"user_name": "a", /* no */ "description": "b"}',
    "two documents": _json() + _json(),
    "NaN as value": _json("NaN"),
    "Infinity as value": _json("-Infinity"),
    "lone surrogate escaped": _json(r'"\ud800"'),
    "surrogates in the wrong order": _json(r'"\udc00\ud800"'),
    "invalid UTF-8": b'{"user_name": "\xff\xfe", "description": "b"}',
    "overlong UTF-8": b'{"user_name": "\xc0\xaf", "description": "b"}',
    "surrogate in UTF-8": b'{"user_name": "\xed\xa0\x80", "description": "b"}',
    "UTF-16": '{"user_name": "a", "description": "b"}'.encode("utf-16"),
    "two byte order marks": b"\xef\xbb\xbf" * 2 + _json(),
    "raw line feed in a string": b'{"user_name": "a\nb", "description": "b"}',
    "raw NUL in a string": b'{"user_name": "a\x00b", "description": "b"}',
    "100 000 brackets": b"[" * 100_000,
    "100 000 closed brackets": b"[" * 100_000 + b"]" * 100_000,
    "50 000 braces": b'{"user_name":' * 50_000,
    "deep in a field": _json("[" * 5_000 + "]" * 5_000),
    "not JSON at all": b"user_name=a&description=b",
    "XML": b"<?xml version='1.0'?><a/>",
    "10^5000": _json("1" + "0" * 5_000),
    "an unknown escape": _json(r'"\x41"'),
}

_REPEATED = {
    "a member twice": b'{"user_name": "a", "user_name": "a", "description": "b"}',
    "a member twice, spelled differently": rb'{"user_name": "a", "user\u005fname": "z", "description": "b"}',
    "a member twice, first of another type": b'{"user_name": 1, "user_name": "a", "description": "b"}',
    "an unknown member twice": b'{"user_name": "a", "description": "b", "x": 1, "x": 2}',
    "a member twice inside": b'{"user_name": {"x": 1, "x": 1}, "description": "b"}',
}

_INVALID = {
    "null": b"null",
    "a number": b"1",
    "10^30": b"1" + b"0" * 30,
    "a string": b'"text"',
    "an array": b"[" + _json() + b"]",
    "an empty object": b"{}",
    "no name": b'{"description": "b"}',
    "name null": _json("null"),
    "name a number": _json("1"),
    "name 10^30": _json("1" + "0" * 30),
    "name 1e400": _json("1e400"),
    "name a truth value": _json("true"),
    "name an array": _json('["a"]'),
    "name an object": _json('{"a": "b"}'),
    "name empty": _json('""'),
    "name white space": _json(r'" \t\n\u00a0\u2003"'),
    "name unseen": _json(r'"\u200b\u2800"'),
    "name unseen, a direction": _json(r'"\u202e"'),
    "name unseen, controls": _json(r'"\u0001\u007f"'),
    "name NUL": _json(r'"a\u0000b"'),
    "name too long": _json('"' + "a" * 256 + '"'),
    "name too long, wide": _json('"' + "😀" * 256 + '"'),
    "description empty": _json('"a"', '""'),
    "description NUL": _json('"a"', r'"\u0000"'),
    "description too long": _json('"a"', '"' + "b" * 10_001 + '"'),
    "an unknown member": _json(more=', "id": "01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a"'),
    "a prototype": _json(more=', "__proto__": {"x": 1}'),
    "a member with no name": _json(more=', "": 1'),
    "a member with a pointer's signs": _json(more=', "a/b~c %": 1'),
    "a member with a long name": _json(more=f', "{"n" * 5_000}": 1'),
    "wrong case": b'{"User_Name": "a", "description": "b"}',
}

_TYPES: dict[str, dict[str, str]] = {
    "no content type": _typed(None),
    "text": _typed("text/plain"),
    "a form": _typed("application/x-www-form-urlencoded"),
    "several parts": _typed("multipart/form-data; boundary=x"),
    "XML type": _typed("application/xml"),
    "JSON of another kind": _typed("application/vnd.api+json"),
    "a list of types": _typed("application/json, text/plain"),
    "another charset": _typed("application/json; charset=windows-1251"),
    "NDJSON": _typed("application/x-ndjson"),
    "an empty type": _typed(""),
    "packed twice": _typed(JSON, Content_Encoding="gzip, gzip"),
    "an unknown encoding": _typed(JSON, Content_Encoding="zstd, br"),
}

_KEYS = {
    "empty": "",
    "a space inside": "a b",
    "open quotes": '"a',
    "too long": "k" * 256,
    "not ASCII": "ключ".encode().decode("latin-1"),
}

REFUSED = (
    *(Case(name, body, 400) for name, body in (_NOT_JSON | _REPEATED).items()),
    *(Case(name, body, 422) for name, body in _INVALID.items()),
    *(Case(name, _json(), 415, headers) for name, headers in _TYPES.items()),
    *(Case(f"key {name}", _json(), 400, _typed(JSON, Idempotency_Key=key)) for name, key in _KEYS.items()),
    Case("gzip that is none", _json(), 400, _typed(JSON, Content_Encoding="gzip")),
    Case("2 MiB", _json('"a"', '"' + "b" * 2 * 1024 * 1024 + '"'), 413),
    Case("2 MiB in chunks", _json('"a"', '"' + "b" * 2 * 1024 * 1024 + '"'), 413, chunked=True),
    Case("100 MB in chunks", b"x" * 100_000_000, 413, chunked=True),
    Case("1 MiB of brackets in chunks", b"[" * 1_000_000, 400, chunked=True),
)

ACCEPTED = (
    Case("plain", _json(), 201),
    Case("byte order mark", b"\xef\xbb\xbf" + _json(), 201),
    Case("escapes", _json(r'"\"\\\/\b\f\n\r\tA"', r'"\ud83d\ude00"'), 201),
    Case("quotes in the text", _json(r'"a\"b"', r'"\"\"\"\""'), 201),
    Case("white space around", b" \n\t" + _json() + b"\r\n ", 201),
    Case("members the other way round", b'{"description": "b", "user_name": "a"}', 201),
    Case("charset named", _json(), 201, _typed('Application/JSON; charset="UTF-8"')),
    Case("identity encoding", _json(), 201, _typed(JSON, Content_Encoding="identity")),
    Case("in chunks", _json(), 201, chunked=True),
    Case("markup", _json('"<script>alert(1)</script>"', '"\'; DROP TABLE applications; --"'), 201),
    Case("text from right to left", _json('"\u202eabc\u202c"', '"שלום"'), 201),
    Case("a formula", _json("\"=cmd|' /C calc'!A0\""), 201),
    Case("control characters", _json(r'"a\u0001\u001fb"', r'"\u007f\ufffe\uffff"'), 201),
    Case("joined emoji", _json('"👩‍👩‍👧‍👦"'), 201),
    Case("almost 1 MiB of white space", b" " * 1_000_000 + _json(), 201),
)

HOSTILE_TARGETS = (
    ("/applications?page=1" + "0" * 30, 422),
    ("/applications?page=1" + "0" * 5_000, 422),
    ("/applications?page=0", 422),
    ("/applications?page=-1", 422),
    ("/applications?page=1.5", 422),
    ("/applications?page=NaN", 422),
    ("/applications?page=", 422),
    ("/applications?page=1&page=2", 422),
    ("/applications?" + "page=1&" * 4_500, 414),
    ("/applications?" + "&".join(f"{number:x}" for number in range(3_000)), 414),
    ("/applications?" + "&".join(f"{number:x}" for number in range(40)), 422),
    ("/?" + "a" * 10_000, 414),
    ("/applications?page=5001&size=20", 422),
    ("/applications?size=0", 422),
    ("/applications?size=101", 422),
    ("/applications?size=1e3", 422),
    ("/applications?sort=id", 422),
    ("/applications?order_by=id;DROP%20TABLE%20applications", 422),
    ("/applications?user_name=", 422),
    ("/applications?user_name=%00", 422),
    ("/applications?user_name=" + "a" * 256, 422),
    ("/applications?user_name__like=%00", 422),
    ("/applications?created_from=yesterday", 422),
    ("/applications?created_from=2026-01-01T00:00:00", 422),
    ("/applications?created_from=2026-01-02T00:00:00Z&created_to=2026-01-01T00:00:00Z", 422),
    ("/applications?created_from=99999-01-01T00:00:00Z", 422),
    *((f"/applications?page={number}", 422) for number in ("+1", "%2B1", "1_0", "1.0", "%201", "%D9%A1", "1%0A")),
    *(
        (f"/applications?created_from={time}", 422)
        for time in (
            "2026-01-01T00:00:00%2B0300",
            "2026-01-01T00:00:00%E2%88%9203:00",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T00:00:00%2B03",
            "2026-01-01T00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01_00:00:00Z",
            "2026-02-30T00:00:00Z",
            "20260101T000000Z",
            "9999-12-31T23:59:60Z",
            "0000-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z%0A",
        )
    ),
    *(
        (f"/applications?created_from={time}", 200)
        for time in (
            "2026-01-01t00:00:00z",
            "2016-12-31T23:59:60Z",
            "2026-01-01T00:00:00.123456789012Z",
            "2026-01-01T00:00:00-00:00",
            "2026-01-01T00:00:00%2B23:59",
        )
    ),
    ("/applications?created_from=0001-01-01T00:00:00%2B10:00&created_to=9999-12-31T23:59:59-01:00", 200),
    ("/applications?cursor=", 400),
    ("/applications?cursor=x", 400),
    ("/applications?cursor=" + "A" * 31, 400),
    ("/applications?cursor=" + "A" * 65, 422),
    ("/applications?cursor=x&page=1", 422),
    ("/applications/1", 404),
    ("/applications/%00", 404),
    ("/applications/batch", 405),
    ("/applications?created_from=0.5", 422),
    ("/applications/01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a", 404),
    ("/applications/", 404),
    ("/applications/batch/x", 404),
    ("/nowhere", 404),
    ("//applications", 404),
    ("/applications%2f", 404),
    ("/static/../../etc/passwd", 404),
    ("/static/%2e%2e/%2e%2e/etc/passwd", 404),
    ("/problems/no-such-problem", 404),
    ("/%ff%fe", 404),
    ("/applications?user_name=%ff%fe&size=1", 200),
    ("/applications?user_name=%25_%5C&user_name__like=%25_%5C", 200),
    ("/applications?created_from=0001-01-01T00:00:00Z&created_to=9999-12-31T23:59:59%2B00:00", 200),
    ("/applications?created_from=2026-01-01T00:00:00+03:00", 200),
    ("/applications?page=5000&size=20", 200),
)
