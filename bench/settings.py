"""What a run measures and for how long; read from the environment in the entry point only."""

from typing import Annotated

from pydantic import BeforeValidator, DirectoryPath, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PARTS = (
    "post", "batch", "get", "read", "mixed", "search", "recovery", "workers", "view", "idle", "memory", "startup",
    "growth", "disk", "plural", "hostile", "soak", "parent",
)  # fmt: skip
_WHEN_ASKED = ("soak", "parent")


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise ValueError(f"there is no part {unknown[0]!r}; the parts are {', '.join(PARTS)}")
    return names


class Settings(BaseSettings):
    """``only`` empty means every part but two: the soak takes twenty minutes, and ``parent`` is for PARENT alone."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    only: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = ()
    quick: bool = False
    rounds: int | None = Field(None, ge=1, le=50, description="rounds of each comparison")
    seconds: float | None = Field(None, gt=0, le=120, description="of load in each round")
    parent: DirectoryPath | None = Field(None, description="another checkout, to be compared with this one")
    soak_minutes: float = Field(20, gt=0, le=24 * 60)

    @property
    def parts(self) -> tuple[str, ...]:
        return self.only or (("parent",) if self.parent else tuple(name for name in PARTS if name not in _WHEN_ASKED))

    @property
    def round_count(self) -> int:
        return self.rounds or (2 if self.quick else 5)

    @property
    def load_seconds(self) -> float:
        return self.seconds or (3 if self.quick else 8)

    @property
    def turn_count(self) -> int:
        """Where costs are compared: a machine that changes within a minute changes for all that take short turns."""
        return self.rounds or (5 if self.quick else 15)

    @property
    def turn_seconds(self) -> float:
        return self.seconds or 2
