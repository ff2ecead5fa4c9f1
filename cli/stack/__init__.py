"""Everything on one machine: `make run`.

May import topics, services and the modules at the root.
"""
