"""The gateway ring: Kong's service, route, plugins and target."""
