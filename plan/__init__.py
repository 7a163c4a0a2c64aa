"""The offline plan: what a stack declares, recorded without an engine, a provider, a network or a secret.

It is a desired state, not a difference to what is deployed.
"""
