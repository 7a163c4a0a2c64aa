"""The caller's identity: verifying the token, its issuer's keys, and the principal that the token names."""
