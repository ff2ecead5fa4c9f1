"""What a gateway counts, traces and logs, and what the others on its socket do. It costs next to nothing when unasked.

May import admission and below; what it is told of, it knows by protocols of its own.
"""
