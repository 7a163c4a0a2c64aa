"""Revisions of a project in Git, and the comment on the pull request."""
