"""Bodies become submissions: bounded while they arrive, validated by the contract, repeated safely by their keys.

May import commit and below; neither publish nor read.
"""
