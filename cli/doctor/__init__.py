"""What is wrong, and how to mend it; a look that changes nothing.

May import topics and the modules at the root.
"""
