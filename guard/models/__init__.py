"""The guard's leg of a model route: one OpenAI-compatible endpoint before the gateway's inner routes to the models."""
