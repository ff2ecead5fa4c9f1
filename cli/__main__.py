"""The program `headgate`, also as `python -m cli`."""

import sys

from cli.loading import INTERRUPTED, loading


def main() -> None:
    """Run a command; Ctrl-C is no error to be explained, not even while the program is being loaded."""
    try:
        with loading():
            from cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
