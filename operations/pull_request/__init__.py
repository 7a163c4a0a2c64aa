"""A project's revisions in Git, and Ringwall's comments on a pull request."""
