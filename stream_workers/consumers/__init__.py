"""Every consumer group that reads the applications, ours or not: how far behind, who is in it, when it is too late.

Kafka is asked while somebody looks, and once a minute for the trend; of how many groups is bounded.
"""
