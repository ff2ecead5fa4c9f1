"""A command that prints the password of now, such as a token of a cloud's IAM that ends within minutes."""

import asyncio
import os
import shlex
import signal
from contextlib import suppress
from dataclasses import dataclass

from runtime.postgresql.hosts import Host
from runtime.secrets import SecretUnreadableError

SECONDS = 10.0


@dataclass(frozen=True)
class PasswordCommand:
    """Run for each new connection, without a shell; it finds host, port and user as libpq's variables."""

    line: str

    async def read(self, host: Host | None, user: str | None) -> str:
        """What it prints, without the line's end; SecretUnreadableError where it fails or takes too long.

        What it says on its error stream is nobody's to show: tools print there what they should not.
        """
        known = {"PGHOST": host and host.name, "PGPORT": host and str(host.port), "PGUSER": user}
        environment = os.environ | {name: value for name, value in known.items() if value}
        try:
            async with asyncio.timeout(SECONDS):
                code, printed = await _output(shlex.split(self.line), environment)
        except (OSError, TimeoutError) as error:
            why = "took too long" if isinstance(error, TimeoutError) else f"cannot be run: {error.strerror}"
            raise SecretUnreadableError(f"DATABASE_PASSWORD_COMMAND {why}") from None
        if code or not printed:
            raise SecretUnreadableError(f"DATABASE_PASSWORD_COMMAND printed nothing or failed (exit code {code})")
        return printed


async def _output(command: list[str], environment: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        printed, _ = await process.communicate()
        return process.returncode, printed.decode(errors="replace").rstrip("\r\n")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with what it has started, which holds the pipe
            await process.wait()
