"""Words, formats, charts and the reader's preferences: how facts look, in each language.

May import books and below, not look.
"""
