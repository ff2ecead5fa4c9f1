"""PgBouncer in transaction mode in front of a PostgreSQL, on a port of its own."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from devstack.ports import free_port
from tests.support.write_path import eventually

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="needs PgBouncer (scripts/test-packages)")

# Few servers for many clients: whoever relies on a session meets another's.
_CONFIG = """
[databases]
* = host={host} port={port} user={user} password={password} {connect}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 500
{more}
"""


class Pooler:
    """Can be killed and started again on the same port."""

    def __init__(self, target: URL, folder: Path, *, servers: int, connect: str, more: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = target.set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)
        self._config = folder / "pgbouncer.ini"
        self._config.write_text(
            _CONFIG.format(
                host=target.host,
                port=target.port,
                user=target.username,
                password=target.password,
                own=self.port,
                servers=servers,
                connect=f"connect_query='{connect}'" if connect else "",
                more="\n".join(f"{name} = {value}" for name, value in more.items()),
            )
        )
        self._log = folder / "pgbouncer.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        user = ("-u", "nobody") if os.getuid() == 0 else ()
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(PROGRAM), *user, str(self._config), stdout=log, stderr=log
            )
        await eventually(self._listens, what="PgBouncer")

    async def kill(self) -> None:
        """SIGKILL: its clients and its servers see their connections reset."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def pooler(
    database_url: str, folder: Path, *, servers: int = 3, connect: str = "", more: Mapping[str, str] | None = None
) -> AsyncIterator[Pooler]:
    """A running one until the block ends; ``servers`` connections lead on, ``connect`` is run once on each."""
    one = Pooler(make_url(database_url), folder, servers=servers, connect=connect, more=more or {})
    await one.start()
    try:
        yield one
    finally:
        await one.kill()
