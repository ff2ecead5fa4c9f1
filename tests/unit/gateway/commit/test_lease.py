"""What a heartbeat does although a part of it fails."""

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from gateway.commit.lease import LeaseKeeper
from gateway.commit.lease_statements import ADOPT_ORPHANS, CLAIM, RENEW
from gateway.settings import Settings


async def test_what_cannot_be_adopted_holds_up_no_claim() -> None:
    """As in a database that is being restored."""
    own, asked = uuid4(), []
    dead = SimpleNamespace(id=uuid4(), instance="gone", heartbeat=3, claimed_by=uuid4(), seconds=8.0, fields=1)

    async def execute(statement: Any, _: object) -> Any:
        asked.append(statement)
        if statement is ADOPT_ORPHANS:
            raise OSError("no such row")
        return [SimpleNamespace(**vars(dead), renewed=True, timeline="")] if statement is RENEW else [dead]

    session: Any = SimpleNamespace(execute=execute)
    keeper = LeaseKeeper(session=session, settings=Settings(_env_file=None), instance="test")
    keeper.lease = own
    with pytest.raises(OSError, match="no such row"):
        await keeper._beat()
    keeper.lost(own, "the test is over")
    assert asked == [RENEW, CLAIM, ADOPT_ORPHANS]
