"""`python -m gateway`: the same as `headgate gateway`."""

from gateway.server import run
from gateway.settings import Settings

if __name__ == "__main__":
    run(Settings())
