"""What each command does, in a folder with the command's name. No flags, no tables: those are cli's."""
