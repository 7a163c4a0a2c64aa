"""The edge ring: Access, tunnel, public name and zone firewall at Cloudflare, as components and as pure builders."""
