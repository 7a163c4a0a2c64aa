"""The edge ring: Access, tunnel, public name and zone firewall at Cloudflare."""
