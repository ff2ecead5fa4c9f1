"""The program `headgate`, also as `python -m cli`."""

import sys


def main() -> None:
    """Run a command; Ctrl-C is no error to be explained, not even while the program is being loaded."""
    try:
        from cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
