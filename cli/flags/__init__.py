"""What each command takes and says in its help: arguments and options alone. What a command does is the file of its name in
`cli/`, which is imported when the command is called: `--help` and the shell's completion need none of it.
"""
