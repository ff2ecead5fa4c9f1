"""PostgreSQL: the tables, their months, and connections that never hold anyone longer than a silent server may.

May import nothing of the gateway but its settings.
"""
