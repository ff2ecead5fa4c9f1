"""Settings that make sense only together: which bounds which, and which are one, itself or in a file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.secrets import Secret


@dataclass(frozen=True)
class Bound:
    """``less`` is at most ``times`` what ``more`` is; where ``when`` is given, only if that setting has a value."""

    less: str
    more: str
    why: str
    times: float = 1
    when: str | None = None

    @property
    def limit(self) -> str:
        """What ``less`` is held against, as people write it."""
        return self.more.upper() if self.times == 1 else f"{self.times:g} times {self.more.upper()}"

    def broken_by(self, settings: object) -> str | None:
        """What is wrong and how to mend it; None where the two fit."""
        less, more = getattr(settings, self.less), getattr(settings, self.more)
        if (self.when and not getattr(settings, self.when)) or less <= self.times * more:
            return None
        name, other, most = self.less.upper(), self.more.upper(), self.times * more
        return (
            f"{name} is {less}, but must be at most {self.limit}, which is {most:.10g}: {self.why}. "
            f"Lower {name} to {most:.10g}, or raise {other} to {less / self.times:.10g}"
        )


def refuse_broken(settings: object, bounds: Iterable[Bound]) -> None:
    """Raise ValueError with a line for each bound that these settings break."""
    broken = [said for bound in bounds if (said := bound.broken_by(settings))]
    if broken:
        raise ValueError("\n".join(broken))


class BoundSettings(BaseSettings):
    """One frozen tree; an impossible value, or two that do not fit, stop the start with a message that names them."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )
    bounds: ClassVar[Sequence[Bound]] = ()

    def secret(self, name: str) -> Secret:
        """A setting that a file may hold instead, which its name with ``_file`` says."""
        file = getattr(self, f"{name}_file")
        return Secret(None if file else getattr(self, name), file)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        refuse_broken(self, self.bounds)
        if twice := [f"{name} and {name}_FILE are both set: keep one of them" for name in self._said_twice()]:
            raise ValueError("\n".join(twice))
        return self

    def _said_twice(self) -> Iterator[str]:
        said = {name for name in self.model_fields_set if getattr(self, name) is not None}
        yield from (name.upper() for name in sorted(said) if f"{name}_file" in said)
