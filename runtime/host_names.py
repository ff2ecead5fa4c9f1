"""Names by which a server is called: what a Host header says, and which names are this machine's alone.

A page of elsewhere can make a name of its own lead to this machine (DNS rebinding). What is open to whoever reaches it
is then open to that page, unless the server looks at the name by which it was called.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit


def called(host: str) -> str:
    """The name in a Host header, in small letters and without the port; empty where there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_loopback(name: str) -> bool:
    """Whether only this machine can mean itself by it."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
