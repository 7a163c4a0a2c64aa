"""The typed model of everything Ringwall reads and writes: stack files, tool locks, guard configuration, host bundles.

Nothing here imports Pulumi or touches the network: `components`, `plan`, `guard` and `cli` all build on these types.
"""
