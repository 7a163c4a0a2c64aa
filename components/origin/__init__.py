"""The origin ring: what the host runs."""
