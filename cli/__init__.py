"""`headgate …`: a folder for each errand of an operator, a command line (`x_command.py`) beside its logic (`x.py`).

main.py has the table of all commands. May import everything but bench and tests; nothing imports it.
"""
