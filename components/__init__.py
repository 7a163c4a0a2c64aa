"""Pulumi component resources: one ring a module, and the two that compose them.

Importing a module that declares Cloudflare resources costs seconds; the pure builders beside them cost nothing.
"""
