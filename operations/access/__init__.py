"""Who may do what, answered offline from the files: one call, one tool, and assertions of the user's repository."""
