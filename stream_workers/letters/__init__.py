"""Dead letters: what could not be read, with its origin; listed, and sent again without being sent twice.

May import kafka and below, not exact.
"""
