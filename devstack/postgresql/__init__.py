"""A real PostgreSQL, and a standby of it, from a wheel.

May import the modules at the root of devstack.
"""
