"""What a page shows of more than now: the history, what happened, and who else reads.

Everything here is bounded in size, and asked for only while somebody looks, or once a minute.
"""
