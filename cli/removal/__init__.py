"""Old applications out in bounded steps, and a person erased; nothing that is still to be published.

May import topics and the modules at the root.
"""
