"""What each kind of worker does with the events: the journal's lines, the exact counters, and people's repairs.

A further kind is a book here and a line in kinds.py (docs/extending.md). May import exact, letters and below.
"""
