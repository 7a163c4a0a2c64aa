"""Hosted clients: where they call from, as their vendors publish it, compared with the stack files."""
