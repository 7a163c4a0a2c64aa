"""Incident commands: closing and opening servers ring by ring, and revoking one principal."""
