"""Fetch the browser files of scripts/vendored.toml with npm, check each tarball's checksum, put the files in place.

`python scripts/vendor.py` writes them; with `--check` nothing is written, and a difference ends with exit code 1.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def main(*, check: bool) -> int:
    """0 when every file is as the checked tarball has it."""
    differing = 0
    for package in tomllib.loads((ROOT / "scripts/vendored.toml").read_text())["package"]:
        for target, content in _fetched(package).items():
            if target.exists() and target.read_bytes() == content:
                continue
            sys.stdout.write(f"{'differs' if check else 'written'}: {target.relative_to(ROOT)}\n")
            differing += check
            if not check:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
    return min(differing, 1)


def _fetched(package: dict[str, Any]) -> dict[Path, bytes]:
    """Where each wanted file of a package belongs, and its content."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = f"{package['name']}@{package['version']}"
        subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder, wanted], check=True)
        (tarball,) = Path(folder).iterdir()
        _check(wanted, tarball.read_bytes(), package["integrity"])
        with tarfile.open(tarball) as archive:
            return {ROOT / package["into"] / Path(name).name: _read(archive, name) for name in package["files"]}


def _check(wanted: str, tarball: bytes, integrity: str) -> None:
    """Subresource-integrity form: the algorithm, a hyphen, the digest in base64."""
    algorithm, _, expected = integrity.partition("-")
    found = base64.b64encode(hashlib.new(algorithm, tarball).digest()).decode()
    if found != expected:
        sys.exit(f"{wanted}: the checksum is {algorithm}-{found}, scripts/vendored.toml says {integrity}")


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(f"package/{name}")
    if member is None:
        sys.exit(f"{name} is not a file in {archive.name!r}")
    return member.read()


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
