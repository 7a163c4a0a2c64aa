"""The guard's audit log: what was decided, for whom and why, in a hash chain that shows later changes."""
