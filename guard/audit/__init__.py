"""The guard's audit log: what was decided, for whom and why, in a chain that shows what was changed later."""
