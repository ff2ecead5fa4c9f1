"""A real Kafka broker, one or three, from jars that are fetched once.

May import the modules at the root of devstack.
"""
