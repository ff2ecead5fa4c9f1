"""What was told already, in a file that survives the command: the next run tells only what changed since."""

import json
import os
from pathlib import Path

from cli.errors import CommandError
from cli.watch.changes import Change, Told


class Memory:
    """Subjects that are not well, by name; without a file it lasts as long as the command."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.known: dict[str, Told] = _read(file) if file else {}

    def keep(self, change: Change) -> None:
        """Book what was told; on the disk before the next thing is."""
        if change.finding.status == "ok":
            self.known.pop(change.finding.what, None)
        else:
            self.known[change.finding.what] = Told(change.finding.status, change.part)
        if self._file:
            _write(self._file, self.known)


def _read(file: Path) -> dict[str, Told]:
    try:
        return {str(what): Told(*told) for what, told in json.loads(file.read_text("utf-8")).items()}
    except FileNotFoundError:
        _write(file, {})  # said now, rather than when there is something to keep
        return {}
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError):
        raise CommandError(f"{file} is not what `headgate watch` wrote: remove it, or name another file") from None


def _write(file: Path, known: dict[str, Told]) -> None:
    """Whole or not at all, also when the command is killed."""
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        new.write_text(json.dumps(known), "utf-8")
        new.replace(file)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from error
