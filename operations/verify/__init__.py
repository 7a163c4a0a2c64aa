"""Proof after `up`: requests of an attacker and of a client against a server's public names, and how they were answered.

Each subject has a module (edge, tokens, discovery, clients, calls, ports, behind). A probe is a small coroutine over a
`Context`; `run` times and bounds each, and `report` renders the results. Only `setup` knows stack files, and no token ever
reaches a `Check`.
"""
