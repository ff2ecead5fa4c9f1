"""Writes down what the code says: every setting (docs/settings.md, `.env.template`, the README's tables), OpenAPI,
ready requests for people's tools, and drawings.

``python -m cli.writing.documentation`` in the repository's root writes them anew; ``--check`` and a test compare them.
"""

import json
import re
import sys
from pathlib import Path

from cli.writing import drawings
from cli.writing.request_examples import http_file, postman
from cli.writing.settings_pages import page, settings, table, template
from gateway.app import create_api

# What a first reader wants to know; all the others are on the page of their own.
_IN_README = (
    "DATABASE_URL", "DATABASE_READ_URL", "KAFKA_BOOTSTRAP_SERVERS", "GATEWAY_HOST", "GATEWAY_PORT",
    "GATEWAY_PROCESSES", "AUTH_REQUIRED", "RATE_LIMIT_PER_MINUTE", "RATE_LIMIT_STORAGE", "BATCH_MAX_ITEMS",
    "WORKER_WEB_HOST", "WORKER_WEB_PORT", "WORKER_WEB_TOKEN", "WORKER_INSTANCE_ID", "KAFKA_PARTITIONS",
    "KAFKA_REPLICATION_FACTOR", "KAFKA_MIN_INSYNC_REPLICAS", "LOG_LEVEL", "LOG_FORMAT", "HEADGATE_DATA_DIR",
)  # fmt: skip
_READMES = ("README.md", "README.ru.md")
_TABLE = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)


def documents(root: Path) -> dict[Path, str]:
    """Each file that is written from the code, with the text that it should have."""
    everything = settings()
    in_readme = {setting.name: setting.row for setting in everything}
    shown = "\n".join(table(in_readme[name] for name in _IN_README))
    readmes = {
        root / name: _TABLE.sub(lambda found: f"{found[1]}{shown}\n{found[2]}", (root / name).read_text())
        for name in _READMES
    }
    api = create_api().openapi()
    return {
        root / "docs/settings.md": page(everything),
        root / "docs/drawings.md": drawings.page(root),
        root / ".env.template": template(everything),
        root / "docs/openapi.json": json.dumps(api, indent=2, ensure_ascii=False) + "\n",
        root / "examples/headgate.postman_collection.json": postman(api),
        root / "examples/headgate.http": http_file(api),
        **readmes,
    }


def main(*, check: bool) -> int:
    """0 when every file is, or with ``check`` was, as the code has it."""
    stale = 0
    for path, text in documents(Path.cwd()).items():
        if check and (not path.exists() or path.read_text() != text):
            sys.stderr.write(f"{path.name} is not what the code says: run `make docs`\n")
            stale = 1
        elif not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
