"""The content of a message, and the verdict of the engines on it."""
