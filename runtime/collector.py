"""Python's garbage collector in a service: reference counts free almost everything, so it need not look often."""

import gc


def spare(threshold: int) -> None:
    """Look for garbage only once ``threshold`` containers were made and not freed, and never in what imports made.

    What the imports made lives as long as the process; searching it again and again costs every request or batch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(threshold, 10, 10)
