"""The words of languages in which the embedded engine looks for overrides and their kin, one module a part of the world."""
