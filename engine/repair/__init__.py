"""Repair after an interrupted run: its unfinished operations, and the objects they may have made at a provider."""
