"""PostgreSQL, topic, journal and counters held against each other, for all applications or for one.

May import topics and the modules at the root.
"""
