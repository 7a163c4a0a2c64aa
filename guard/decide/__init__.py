"""Decides which messages the guard lets through: methods, grants, pins, limits, consent, taint, cache, sessions."""
