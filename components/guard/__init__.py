"""The guard ring: the configuration the guard runs with."""
