"""Names by which a server is called: what a Host header says, and which names are this machine's alone.

A page of elsewhere can make a name of its own lead to this machine (DNS rebinding). What is open to whoever reaches it
is then open to that page, unless the server looks at the name by which it was called.
"""

import re
from ipaddress import ip_address

# A name or an address, and perhaps a port: nothing else that a part of an address may be.
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


def called(host: str) -> str:
    """The name in a Host header, in small letters and without the port; empty where it is anything else."""
    form = _HOST.fullmatch(host.strip())
    return form[1].strip("[]").rstrip(".").lower() if form else ""


def is_loopback(name: str) -> bool:
    """Whether only this machine can mean itself by it."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
