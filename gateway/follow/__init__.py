"""Applications in the order of their ids as they come: nothing is skipped, nothing comes twice, and memory is constant.

May import read and below; neither intake nor publish.
"""
