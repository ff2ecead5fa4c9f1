"""The program of `--run`: started from a list of words, never by a shell, so nothing in a finding is ever obeyed.

What changed is in its environment and on its standard input. Texts of findings come from servers, and through them from
anybody.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

SECONDS = 60.0
# An environment has little room, and no place for a NUL.
_LONGEST = 4_000


def words_of(command: str) -> list[str]:
    """The program and its arguments, as a shell would read them; ValueError where there is no such program."""
    words = shlex.split(command)
    if not words or shutil.which(words[0]) is None:
        raise ValueError(f"there is no program {words[0] if words else command!r}")
    return words


def run(words: Sequence[str], fields: Mapping[str, str], text: str) -> str | None:
    """Run it for one change; why it did not work, None where it did. What it prints goes to the error stream."""
    told = {f"HEADGATE_{name.upper()}": value.replace("\0", "")[:_LONGEST] for name, value in fields.items()}
    try:
        done = subprocess.run(
            words, env=os.environ | told, input=text.encode(), stdout=sys.stderr, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return f"`{words[0]}` ended with {done.returncode}" if done.returncode else None
