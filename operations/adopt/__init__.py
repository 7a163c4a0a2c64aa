"""Adopting what exists at Cloudflare and Kong for one host name: into a stack file, and into its state."""
