"""One service in the foreground, and the schema that it needs.

May import the modules at the root.
"""
