"""TLS by the gateway itself: served, exchanged while it runs, and refused at the start where it cannot be used."""

import asyncio
import logging
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization as form

from gateway.settings import Settings
from gateway.tls import Certificate, CertificateError
from tests.support.http_gateway import NEW, served
from tests.support.write_path import eventually


def issue(authority: trustme.CA, folder: Path) -> tuple[Path, Path]:
    """A fresh certificate and its key, under the same names each time."""
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = folder / "tls.crt", folder / "tls.key"
    key.write_bytes(issued.private_key_pem.bytes())
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    return certificate, key


async def test_it_serves_and_takes_a_new_certificate(http_settings: Settings, tmp_path: Path) -> None:
    first, second = trustme.CA(), trustme.CA()
    certificate, key = issue(first, tmp_path)
    settings = http_settings.model_copy(update={"gateway_tls_certificate": certificate, "gateway_tls_key": key})
    async with served(settings, verify=_trusting(first)) as http:
        assert (await http.client.post("/applications", json=NEW)).status_code == 201
        issue(second, tmp_path)

        async def taken() -> bool:
            async with httpx.AsyncClient(verify=_trusting(second), trust_env=False) as fresh:
                try:
                    return (await fresh.get(f"https://127.0.0.1:{http.port}/livez")).status_code == 200
                except httpx.ConnectError:
                    return False

        await eventually(taken, what="the new certificate")
        assert (await http.client.get("/livez")).status_code == 200  # on the connection that was there


async def test_who_speaks_no_tls_or_an_old_one_costs_nobody_else(http_settings: Settings, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key = issue(authority, tmp_path)
    settings = http_settings.model_copy(update={"gateway_tls_certificate": certificate, "gateway_tls_key": key})
    async with served(settings, verify=_trusting(authority)) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in await reader.read()
        writer.close()
        assert (await http.client.get("/livez")).status_code == 200


async def test_who_does_not_shake_hands_holds_no_place(http_settings: Settings, tmp_path: Path) -> None:
    """Silence ends in the time of a head, and the oldest of the silent give way before that."""
    authority = trustme.CA()
    certificate, key = issue(authority, tmp_path)
    tls = {"gateway_tls_certificate": certificate, "gateway_tls_key": key, "connections_max": 4, "head_seconds": 300.0}
    async with served(http_settings.model_copy(update=tls), verify=_trusting(authority)) as http:
        silent = [await asyncio.open_connection("127.0.0.1", http.port) for _ in range(40)]
        async with asyncio.timeout(100):  # sooner than a head may take
            assert await silent[0][0].read() == b""
        for _ in range(3):
            async with httpx.AsyncClient(verify=_trusting(authority), trust_env=False) as fresh:
                assert (await fresh.get(f"https://127.0.0.1:{http.port}/livez")).status_code == 200
        for _, writer in silent:
            writer.close()
    async with served(
        http_settings.model_copy(update={**tls, "head_seconds": 0.5}), verify=_trusting(authority)
    ) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        async with asyncio.timeout(30):  # sooner than asyncio ends a handshake by itself
            assert await reader.read() == b""
        writer.close()


def test_what_cannot_be_used_later_leaves_what_was_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As when the certificate was replaced, and its key was not yet."""
    authority = trustme.CA()
    one = Certificate(*issue(authority, tmp_path))
    (tmp_path / "tls.crt").write_bytes(authority.issue_cert("127.0.0.1").cert_chain_pems[0].bytes())
    with caplog.at_level(logging.ERROR):
        one.look()
        one.look()
    assert [record.message for record in caplog.records if "key values mismatch" in record.message]
    assert len(caplog.records) == 1
    assert _shakes_hands(one.context, _trusting(authority))


@pytest.mark.parametrize("wrong", ["missing", "no key", "empty", "another's", "encrypted"])
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, wrong: str) -> None:
    certificate, key = issue(trustme.CA(), tmp_path)
    if wrong == "missing":
        certificate.unlink()
    elif wrong == "no key":
        key.unlink()
    elif wrong == "empty":
        certificate.write_bytes(b"")
    elif wrong == "another's":
        key.write_bytes(trustme.CA().private_key_pem.bytes())
    else:
        _encrypt(key)
    with pytest.raises(CertificateError, match="GATEWAY_TLS_"):
        Certificate(certificate, key)


def test_the_start_says_so(tmp_path: Path) -> None:
    environment = {"GATEWAY_PORT": "0", "GATEWAY_TLS_CERTIFICATE": str(tmp_path / "none.pem")}
    ended = subprocess.run(
        [sys.executable, "-m", "gateway"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "GATEWAY_TLS_CERTIFICATE" in ended.stderr
    assert "Traceback" not in ended.stderr


def _trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def _shakes_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """In memory, over a pair of buffers."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    done = [False, False]
    for _ in range(6):
        for place, end in enumerate(ends):
            if not done[place]:
                try:
                    end.do_handshake()
                    done[place] = True
                except ssl.SSLWantReadError:
                    continue
    return all(done)


def _encrypt(key: Path) -> None:
    read = form.load_pem_private_key(key.read_bytes(), password=None)
    key.write_bytes(
        read.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"secret"))
    )
