"""What is done to topics: made, grown, looked at, written to again; dead letters and the workers' states among them.

May import the modules at the root.
"""
