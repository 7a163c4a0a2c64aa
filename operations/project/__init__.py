"""Reading, writing and migrating a project's files, and what they declare."""
