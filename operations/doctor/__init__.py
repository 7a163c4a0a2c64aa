"""What must be true before `up`: engine, Cloudflare, Kong, issuers and the guard's host."""
