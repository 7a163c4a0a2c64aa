"""A stand-in of Kong's data plane: real HTTP on loopback, the plugins that our stacks use, each after its 3.9.3 source.

`configuration` holds what the Admin API would hold; `server` routes, runs the plugins and proxies; `plugins` are the
handlers. Whatever it does not know (a plugin, an option, a value of one) it refuses when it is configured: a stand-in
that passes over an option in silence hides what the option does.
"""
