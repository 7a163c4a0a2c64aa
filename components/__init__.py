"""Pulumi component resources: one folder for each ring, and the two components that compose them.

What a plan or a deployment does with them is not here (`plan`, `engine`). Importing a module that declares Cloudflare
resources takes seconds; the pure builders next to them import no provider.
"""
