"""Checks of everything that `up` needs: engine, stack files, Cloudflare, Kong, issuers and the guard's host.

A check reads and changes nothing, apart from one harmless scan by each engine of a vendor.
"""
