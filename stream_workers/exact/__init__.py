"""Each offset is booked once: partitions folded into states, written before they are acknowledged.

May import kafka and below, not letters.
"""
