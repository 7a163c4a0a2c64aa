"""Plugins of Kong's licensed editions, and what Kong 3.15 adds to the bundled ones.

Every config is written out whole, as Kong's published 3.15 schemas have it (see `components.gateway.spec`). None of it was
run on a licensed gateway; `docs/explain/editions.md` says so.
"""
