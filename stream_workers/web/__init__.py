"""The web view: look asks, facts works out, showing puts into words and shapes, serving answers.

Any metrics worker shows all partitions, and old numbers are never shown as new.
"""
