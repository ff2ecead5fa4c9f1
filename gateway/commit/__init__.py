"""201 means durable: whoever waits joins the next group commit; an unknown outcome is settled by a write.

May import observability and below.
"""
