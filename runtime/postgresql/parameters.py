"""The parameters of a database URL: which are known, which values they can have, what of them goes to the driver."""

import re
from collections.abc import Mapping
from pathlib import Path

_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_WRITERS = ("read-write", "primary")
_READERS = ("any", "standby", "prefer-standby", "read-only")
_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

# What the driver reads from a URL by itself.
OF_DRIVER = frozenset({
    "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation", "passfile",
    "ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib",
})  # fmt: skip
# What the server is told when a session begins.
OF_SESSION = ("application_name", "options")
# What is done here.
_OWN = frozenset({"connect_timeout", "target_session_attrs"})
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")

# Values that are possible; those of channel_binding and gssencmode change nothing, the driver has neither.
_VALUES = {
    "sslmode": _MODES,
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _VERSIONS,
    "ssl_max_protocol_version": _VERSIONS,
    "gsslib": ("gssapi", "sspi"),
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "target_session_attrs": (*_WRITERS, *_READERS),
}
_INSTEAD = {
    "channel_binding": "the driver cannot bind; take it away, and let sslmode=verify-full keep others out",
    "gssencmode": "the driver cannot encrypt so; take it away, and set sslmode",
}

# The bounds of a session are Headgate's: its promises stand on them.
_RESERVED = re.compile(r"(?:^|\s|-c\s*|--)(statement_timeout|lock_timeout|jit|default_transaction_read_only)\s*=")


def refuse_impossible(given: Mapping[str, str], *, several: bool) -> None:
    """ValueError with the name of the first parameter that cannot be honoured."""
    for name, value in given.items():
        if name not in OF_DRIVER | _OWN and name not in OF_SESSION and name not in _VALUES:
            raise ValueError(f"{name} is no parameter that can be honoured: take it away")
        if name in _VALUES and value not in _VALUES[name]:
            instead = _INSTEAD.get(name, f"one of {', '.join(_VALUES[name])}")
            raise ValueError(f"{name} cannot have this value: {instead}")
    if not re.fullmatch(r"\d{1,6}", given.get("connect_timeout", "0")):
        raise ValueError("connect_timeout must be whole seconds")
    if several and given.get("target_session_attrs") in _READERS:
        raise ValueError("target_session_attrs of several hosts can only be read-write, and is so without being said")
    if reserved := _RESERVED.search(given.get("options", "")):
        raise ValueError(f"options sets {reserved[1]}, which Headgate sets itself: take it away")
    _refuse_files(given)


def _refuse_files(given: Mapping[str, str]) -> None:
    for name in _FILES:
        if name not in given or (name, given[name]) == ("sslrootcert", "system"):
            continue
        try:
            with Path(given[name]).open("rb"):
                pass
        except (OSError, ValueError) as error:
            raise ValueError(f"{name} names a file that cannot be read: {getattr(error, 'strerror', error)}") from None
    if "passfile" in given and Path(given["passfile"]).stat().st_mode & 0o077:
        raise ValueError("passfile names a file that others may read: chmod 600")
    if given.get("sslrootcert") == "system" and given.get("sslmode", "verify-full") != "verify-full":
        raise ValueError("sslrootcert=system goes with sslmode=verify-full alone")


def asks_for_primary(given: Mapping[str, str]) -> bool:
    """Whether one host is to be asked, too, if it takes writes."""
    return given.get("target_session_attrs") in _WRITERS
