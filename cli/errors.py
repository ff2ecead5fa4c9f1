"""What a command says instead of a traceback."""


class CommandError(Exception):
    """The command cannot do what was asked; the message is the one line that the person sees. The exit code is 1."""
