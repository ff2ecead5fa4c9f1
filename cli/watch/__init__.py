"""Tells once what changed of what the doctor finds, and runs a program for each change.

May import doctor and what lies below the errands.
"""
