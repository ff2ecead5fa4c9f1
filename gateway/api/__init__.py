"""The calls as HTTP: the thin front, FastAPI's routes behind it, the documents that describe them, health and metrics.

May import everything but pages, app and server.
"""
