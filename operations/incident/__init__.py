"""Closing and opening in an incident, ring by ring, and the journal of it."""
