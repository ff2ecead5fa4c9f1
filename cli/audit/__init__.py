"""PostgreSQL, topic, journal and counters held against each other, for all applications or one; what lacks, replayed.

May import topics and the modules at the root.
"""
