"""Plain HTTP on this machine: its clients need no authorities, and reading those takes 25 ms for each client."""

from __future__ import annotations

import ssl

#: For `verify=` of a client that asks loopback alone; no certificate passes.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
