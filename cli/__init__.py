"""The command line: `commands.py` is the table of commands, `flags/` their flags, and a file of its own the work of each.

A command asks, calls `operations` and `engine`, and shows the result; what it decides is decided there.
"""
