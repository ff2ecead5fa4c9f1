"""Open files: each connection is one, and those to PostgreSQL and Kafka must never go short of them."""

import logging
import resource
import sys
from contextlib import suppress

from gateway.settings import Settings

RESERVED = 128
"""Kept for PostgreSQL, Kafka, probes, files, and connections that are being refused."""

LEAST = 2 * RESERVED
"""With fewer open files no gateway starts."""

REMEDY = "Raise the hard limit of open files (ulimit -Hn; LimitNOFILE= of a unit; ulimits of a container)"

log = logging.getLogger(__name__)


def hard_limit() -> int:
    """How many files a process that is started like this one may open at most."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def fit(settings: Settings) -> Settings:
    """Raise the soft limit to the hard one; the settings with as many connections as then fit. Ends a process that has
    no room for any.
    """
    allowed = _raised()
    if allowed < LEAST:
        log.critical("Only %d files may be open, and at least %d are needed. %s", allowed, LEAST, REMEDY)
        sys.exit(1)
    wanted, room = settings.connections_max, allowed - RESERVED
    if wanted <= room:
        log.info("Up to %d connections; %d files may be open", wanted, allowed)
        return settings
    told = "CONNECTIONS_MAX is %d, but only %d files may be open: up to %d connections. %s, or lower CONNECTIONS_MAX"
    log.warning(told, wanted, allowed, room, REMEDY)
    return settings.model_copy(update={"connections_max": room})


def _raised() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems name a hard limit that they do not give
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _number(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
