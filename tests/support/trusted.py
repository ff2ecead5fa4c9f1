"""Whom clients trust is read once, not for each of them.

A client of httpx reads all the authorities that there are when it is made, which costs more CPU than many a request;
tests make one for each gateway, and for each look where they poll.
"""

import functools

from httpx._transports import default


def pytest_configure() -> None:
    default.create_ssl_context = functools.cache(default.create_ssl_context)  # type: ignore[attr-defined]
