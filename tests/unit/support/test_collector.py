"""What was there before the first test is searched for garbage no more, and what tests make is."""

import gc


def test_what_was_collected_is_out_of_the_search() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(gc.get_objects())
