"""A traffic generator with a live line.

May import the modules at the root.
"""
