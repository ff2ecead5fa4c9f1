"""Kafka's bytes, for whoever reads a topic: no record stops a reader, and silence is no answer."""
