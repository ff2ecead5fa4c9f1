"""What is committed reaches the topic once, in order, through outages and deaths: own batches, and those of the dead.

May import commit and below; neither intake nor read.
"""
