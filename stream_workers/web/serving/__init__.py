"""The view as HTTP: who may see it, which addresses there are, streams, forms, metrics.

May import everything but app and worker.
"""
