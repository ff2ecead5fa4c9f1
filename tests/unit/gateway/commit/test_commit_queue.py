"""What waits for a commit, taken out in order."""

from gateway.commit.commit_queue import CommitQueue
from gateway.settings import Settings
from tests.support.write_path import submission


async def test_however_many_groups_were_given_up_the_next_one_is_taken() -> None:
    """As after an outage: where each of them took the stack deeper, the writer would end, and the gateway with it."""
    queue = CommitQueue(Settings(_env_file=None))
    given_up, wanted = [[submission()] for _ in range(2_000)], [submission(), submission()]
    for group in (*given_up, wanted):
        queue.submit_group(group)
    for (each,) in given_up:
        each.done.cancel()
    assert queue.gather() == wanted
    assert not queue
