"""What happened to the parts, with time and reason: kept on a small topic that one metrics worker writes.

A record holds what one look found, and what was there after it: whoever looks next goes on from the last record.
"""
