"""Who calls: the assertion, its issuer's keys, and the principal it names."""
