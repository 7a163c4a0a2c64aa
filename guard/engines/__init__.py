"""The verdict engines: own rules and vendors behind one interface (`guard.inspect.verdict.Engine`)."""
