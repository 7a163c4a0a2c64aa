"""The guard's signed configuration: checking a bundle, following its source, and the signing keys."""
