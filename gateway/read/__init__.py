"""Lists and single applications from PostgreSQL or its replica: bounded in time and memory at any depth.

May import commit and below; neither intake nor publish.
"""
