"""What the development stack says instead of a traceback."""


class DevstackError(Exception):
    """Something on this machine is in the way; the message names it and how to mend it, in one or two lines."""
