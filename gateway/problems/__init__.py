"""Everything that a request can be refused with: one tree of errors, told as problem documents in each language.

May import nothing of the gateway but its settings.
"""
