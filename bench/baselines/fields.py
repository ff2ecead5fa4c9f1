"""An application's fields, for baselines that have no row or submission of their own."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Fields(NamedTuple):
    """What ``contracts.value_of`` asks for."""

    id: UUID
    user_name: str
    description: str
    created_at: datetime
