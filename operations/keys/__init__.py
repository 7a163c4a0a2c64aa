"""The issuers' signing keys at Kong: which ones it must hold, and bringing it in line."""
