"""A gateway under a small limit of open files: FILES_SOFT and FILES_HARD."""

import os
import resource

from gateway.server import run
from gateway.settings import Settings

if __name__ == "__main__":
    limits = int(os.environ["FILES_SOFT"]), int(os.environ["FILES_HARD"])
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    run(Settings())
