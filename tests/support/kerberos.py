"""A Kerberos of a test's own: MIT's key distribution centre as Debian ships it, on a port of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from devstack.child import Child, spawn
from devstack.kafka.access import USER, Access
from devstack.kafka.jars import class_path
from devstack.ports import HOST, free_port

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
_PROGRAMS = [shutil.which(name, path=_PATH) for name in ("kdb5_util", "kadmin.local", "krb5kdc", "java")]

needs_kerberos = pytest.mark.skipif(
    None in _PROGRAMS or find_spec("gssapi") is None,
    reason="needs Debian's krb5-kdc, krb5-admin-server, libkrb5-dev and default-jre-headless (scripts/test-packages)",
)

REALM = "HEADGATE.TEST"
# Short, so that tickets are got anew while a test runs.
_TICKET_SECONDS = 20

_OF_ALL = f"""
[libdefaults]
default_realm = {REALM}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
[realms]
{REALM} = {{{{
kdc = {HOST}:{{port}}
}}}}
"""
_OF_KDC = f"""
[kdcdefaults]
kdc_listen = ""
kdc_tcp_listen = {HOST}:{{port}}
[realms]
{REALM} = {{{{
database_name = {{folder}}/principals
key_stash_file = {{folder}}/stash
max_life = {_TICKET_SECONDS}s
}}}}
[logging]
kdc = STDERR
"""


def java_command() -> list[str]:
    """Of Debian's Java: the one from the wheel is built without jdk.security.jgss, and so is no server of GSSAPI."""
    return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", class_path()]


class Kerberos:
    """Knows the broker and a client, each by a keytab; ``away`` takes it off the network."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._port = folder, free_port()
        self._child: Child | None = None
        for name, text in (("krb5.conf", _OF_ALL), ("kdc.conf", _OF_KDC)):
            (folder / name).write_text(text.format(port=self._port, folder=folder))

    @property
    def environment(self) -> Mapping[str, str]:
        """What the Kerberos libraries of clients and of the broker's Java are told."""
        return {
            "KRB5_CONFIG": str(self._folder / "krb5.conf"),
            "KRB5_CLIENT_KTNAME": str(self._folder / "client.keytab"),
            "KRB5CCNAME": f"FILE:{self._folder}/tickets",
            "JAVA_TOOL_OPTIONS": f"-Djava.security.krb5.conf={self._folder}/krb5.conf",
        }

    @property
    def access(self) -> Access:
        """How brokers let in who has a ticket."""
        module = (
            "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true isInitiator=false "
            f'keyTab="{self._folder}/broker.keytab" principal="kafka/{HOST}@{REALM}";'
        )
        properties = {
            "sasl.enabled.mechanisms": "GSSAPI",
            "sasl.kerberos.service.name": "kafka",
            "gssapi.sasl.jaas.config": module,
        }
        return Access("SASL_PLAINTEXT", properties, (), {"KAFKA_SASL_MECHANISM": "GSSAPI"})

    def fill(self) -> None:
        """A realm with its two principals."""
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "of a test")
        for principal, keytab in ((f"kafka/{HOST}", "broker.keytab"), (USER, "client.keytab")):
            self._run("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")
            self._run("kadmin.local", "-r", REALM, "-q", f"ktadd -k {self._folder / keytab} {principal}")

    def start(self) -> None:
        command = [self._program("krb5kdc"), "-n", "-r", REALM]
        child = self._child = spawn(command, name="Kerberos", log=self._folder / "kdc.log", env=self._own)
        child.wait_until(lambda: "commencing operation" in child.output(), seconds=30)

    def stop(self) -> None:
        if self._child is not None:
            self._child.kill()

    @property
    def _own(self) -> dict[str, str]:
        return {"KRB5_KDC_PROFILE": str(self._folder / "kdc.conf"), **self.environment}

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._program(program), *arguments]
        subprocess.run(command, env={**os.environ, **self._own}, capture_output=True, check=True)

    @staticmethod
    def _program(name: str) -> str:
        return shutil.which(name, path=_PATH) or name


@contextmanager
def kerberos(folder: Path) -> Iterator[Kerberos]:
    """A running one until the block ends."""
    one = Kerberos(folder)
    one.fill()
    one.start()
    try:
        yield one
    finally:
        one.stop()
