"""Signing the guard's configuration, delivering it, and seeing that it is in force."""
