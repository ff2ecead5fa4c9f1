"""Certificates of an authority of one's own, for a broker on loopback and for whoever may reach it."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from devstack.ports import HOST

_KEY = "authority-key.pem"


@dataclass(frozen=True)
class Certificates:
    """``authority``: whom to trust; ``broker`` and ``client``: key and certificate in one file."""

    authority: Path
    broker: Path
    client: Path


def certificates_in(folder: Path, *, client: str) -> Certificates:
    """Those of this folder, made if there are none; ``client`` is the name in the client's."""
    found = Certificates(folder / "authority.pem", folder / "broker.pem", folder / "client.pem")
    if not found.authority.exists():
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        _write(folder / _KEY, authority.private_key_pem.bytes())
        write(found.broker, authority.issue_cert(HOST, "localhost", common_name="broker"))
        write(found.client, authority.issue_cert(f"{client}.local", common_name=client))
        authority.cert_pem.write_to_path(str(found.authority))
    return found


def authority_in(folder: Path) -> trustme.CA:
    """The one that signed them, for further ones."""
    return trustme.CA.from_pem((folder / "authority.pem").read_bytes(), (folder / _KEY).read_bytes())


def write(file: Path, issued: trustme.LeafCert) -> None:
    """Key and chain, in the form that Java reads as well; replaced whole, readable by its owner alone."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(file, pem + b"".join(part.bytes() for part in issued.cert_chain_pems))


def _write(file: Path, content: bytes) -> None:
    partial = file.with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    partial.replace(file)
