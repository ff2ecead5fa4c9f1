"""What both services stand on: how one connects, logs, traces, shows figures and reads a topic; once, for both.

May import ``contracts`` and libraries; knows neither the gateway nor the stream workers.
"""
