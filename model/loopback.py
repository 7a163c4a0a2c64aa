"""Whether a host is loopback. It imports nothing expensive, because policies ask it for every resource."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """True for localhost, 127.0.0.0/8 and ::1 only. Names other than localhost are not resolved: DNS can change."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
