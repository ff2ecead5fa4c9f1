"""A PostgreSQL and a Kafka broker for `make run` and the tests: no Docker, no root, no Java.

Imports nothing else of the project.
"""
