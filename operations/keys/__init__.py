"""The issuers' keys at Kong: which ones are wanted, which ones are retired."""
