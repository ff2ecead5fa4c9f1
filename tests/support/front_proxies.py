"""nginx and HAProxy as Debian ships them, each with a configuration of docs/proxies.md, on a port of its own."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from devstack.ports import free_port
from tests.support.commands import ROOT
from tests.support.write_path import eventually

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
NGINX, HAPROXY = shutil.which("nginx", path=_PATH), shutil.which("haproxy", path=_PATH)

needs_proxies = pytest.mark.skipif(
    None in (NGINX, HAPROXY), reason="needs the Debian packages nginx-light and haproxy (scripts/test-packages)"
)

OpenProxy = Callable[[Path, Sequence[int], Mapping[str, str]], AbstractAsyncContextManager[int]]

# What a server of Debian's package has around the part that people write.
_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;{user}
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{part}
}}
"""


def shown(title: str) -> str:
    """The configuration that the documentation shows under this heading."""
    section = (ROOT / "docs/proxies.md").read_text().partition(f"\n### {title}\n")[2]
    block = re.search(r"```\w*\n(.*?)```", section, re.DOTALL)
    assert block, f"docs/proxies.md shows no configuration under {title}"
    return block[1]


def fitted(text: str, replaced: Mapping[str, str]) -> str:
    """The same for this machine; what is to be replaced must be there."""
    for old, new in replaced.items():
        assert old in text, f"the configuration has no {old!r}"
        text = text.replace(old, new)
    return text


@asynccontextmanager
async def nginx(folder: Path, gateways: Sequence[int], more: Mapping[str, str]) -> AsyncIterator[int]:
    """Its port, while the block lasts."""
    port = free_port()
    part = fitted(shown("nginx"), {**_places(gateways), "listen 80;": f"listen 127.0.0.1:{port};", **more})
    user = " user root;" if os.getuid() == 0 else ""  # the test's folder is nobody else's
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, part=part, user=user))
    async with _running(str(NGINX), "-e", "stderr", "-c", str(config), port=port, log=folder / "nginx.log"):
        yield port


@asynccontextmanager
async def haproxy(folder: Path, gateways: Sequence[int], more: Mapping[str, str]) -> AsyncIterator[int]:
    """Its port, while the block lasts."""
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(fitted(shown("HAProxy"), {**_places(gateways), "bind :80": f"bind 127.0.0.1:{port}", **more}))
    async with _running(str(HAPROXY), "-f", str(config), port=port, log=folder / "haproxy.log"):
        yield port


def _places(gateways: Sequence[int]) -> dict[str, str]:
    return {f"gateway-{number}:8000": f"127.0.0.1:{port}" for number, port in enumerate(gateways, start=1)}


@asynccontextmanager
async def _running(*command: str, port: int, log: Path) -> AsyncIterator[None]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        await eventually(lambda: _listens(port, process, log), what=command[0])
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listens(port: int, process: asyncio.subprocess.Process, log: Path) -> bool:
    assert process.returncode is None, await asyncio.to_thread(log.read_text)
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
