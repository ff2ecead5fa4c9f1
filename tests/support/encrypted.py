"""TLS in front of the embedded PostgreSQL, whose build has none: what a client meets is a real handshake."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

# PostgreSQL, "Message Formats": a client asks with this before anything else, and S says yes.
_ASKS = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


@dataclass
class Front:
    """``names``: of each client that got in, the common name in its certificate, or an empty text."""

    context: ssl.SSLContext
    target: int
    port: int = 0
    names: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            if await reader.readexactly(8) != _ASKS:
                writer.close()  # no client gets in unencrypted
                return
            writer.write(b"S")
            await writer.start_tls(self.context)
            self.names.append(_common_name(writer.get_extra_info("peercert")))
            behind, to_server = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(_pump(reader, to_server), _pump(behind, writer))
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def _common_name(certificate: Any) -> str:
    subject = dict(pair for part in (certificate or {}).get("subject", ()) for pair in part)
    return str(subject.get("commonName", ""))


@asynccontextmanager
async def encrypted(context: ssl.SSLContext, target: int) -> AsyncIterator[Front]:
    """In front of the server on that port, until the block ends."""
    front = Front(context, target)
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    front.port = server.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        server.close()
