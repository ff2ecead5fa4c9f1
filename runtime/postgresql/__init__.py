"""How everybody gets into PostgreSQL: one reading of its URL, one place where connections begin, one primary."""
