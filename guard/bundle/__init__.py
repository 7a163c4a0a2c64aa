"""The guard's signed configuration: opening it, following its source, and the signing keys."""
