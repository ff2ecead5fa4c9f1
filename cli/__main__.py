"""`python -m cli` is `headgate`."""

from cli.main import main

main()
