"""Who may come in, before a body is read: connections, origins, keys, limits; and what a request is called.

May import problems and database.
"""
