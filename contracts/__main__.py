"""`python -m contracts docs` writes the contract's documents; `--check docs` only says whether they are up to date."""

import sys
from pathlib import Path

from contracts.asyncapi import document, schema, text
from contracts.topics import Topics


def main(arguments: list[str]) -> int:
    """Write or compare; the exit code is 1 where a committed document is stale."""
    check, folder = arguments[0] == "--check", Path(arguments[-1])
    stale = []
    for name, value in (("asyncapi.json", document(Topics())), ("schemas/application.submitted.v1.json", schema())):
        path = folder / name
        if check and (not path.exists() or path.read_text("utf-8") != text(value)):
            stale.append(name)
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(value), "utf-8")
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run `python -m contracts {folder}`\n")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
