"""The `ringwall` command: one module a command, thin, with every heavy import inside the function that needs it."""
