"""Exact counters of one partition as a pure function of its records: nothing here knows Kafka or Faust."""
