"""Clients share what they trust, and those that trust something of their own do not."""

import ssl

import httpx


def context(client: httpx.Client) -> ssl.SSLContext:
    found = client._transport._pool._ssl_context  # type: ignore[attr-defined]
    assert isinstance(found, ssl.SSLContext)
    return found


def test_it_is_read_once() -> None:
    own = ssl.create_default_context()
    assert context(httpx.Client()) is context(httpx.Client())
    assert context(httpx.Client()).verify_mode == ssl.CERT_REQUIRED
    assert context(httpx.Client(verify=False)).verify_mode == ssl.CERT_NONE  # noqa: S501 -- it connects to nobody
    assert context(httpx.Client(verify=own)) is own
