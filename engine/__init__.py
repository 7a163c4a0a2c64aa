"""The Pulumi engine: where it is found, and how it is installed where only package registries are reachable."""
