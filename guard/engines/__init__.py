"""The verdict engines: the guard's own rules and two vendors, behind one interface (`guard.inspect.verdict.Engine`)."""
