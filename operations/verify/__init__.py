"""Proof after `up`: what an attacker and a client would try against a server's public names, and what came of it.

One module a subject (edge, tokens, discovery, calls, ports). A check is a small coroutine over a `Context`; `run` times
and bounds each, and `report` renders them. Nothing here reads a stack file, and no token ever reaches a `Check`.
"""
