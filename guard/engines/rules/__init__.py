"""The embedded engine's rules, one module per subject."""
