"""Faust and aiokafka as we need them: batches, the group, the broker's own word, records read and sent.

Their private parts are touched here alone. May import settings, errors, kinds and logs.
"""
