"""What processes cost: CPU time and memory, of a server and of all that it started."""

import contextlib

import psutil


class Meter:
    """Reads servers by their process ids; several, and what each has started, count as one."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids

    def cpu_seconds(self) -> float:
        """User and system time since each process began."""
        return sum(_cpu(process) for process in self._family())

    def rss_bytes(self) -> int:
        """Resident memory. Of several processes the sum: pages that they share are counted in each."""
        return sum(_rss(process) for process in self._family())

    def largest_rss_bytes(self) -> int:
        """Resident memory of the largest process alone."""
        return max((_rss(process) for process in self._family()), default=0)

    def connections(self) -> int:
        """Open TCP connections."""
        return sum(_connections(process) for process in self._family())

    def _family(self) -> list[psutil.Process]:
        return [process for pid in self._pids for process in _with_children(pid)]


def _with_children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _cpu(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        # What children that have ended took is in their parent's account.
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _rss(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


def _connections(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return sum(connection.status == psutil.CONN_ESTABLISHED for connection in process.net_connections("tcp"))
    return 0
