"""What many names amount to in bounded space: values that are merged in any order and never change in place.

Their bytes have the form of Apache DataSketches, which every version reads that ever wrote a state.
"""
