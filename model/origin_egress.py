"""Where a server may call out to: host names with a port each, so that a host can keep everything else from it."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator

from model.problems import Wrong

#: A name of DNS, or of the host's own /etc/hosts, in small letters.
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)*")
#: Names by which clouds' metadata services are reached (Google, AWS), which hand out the machine's credentials.
METADATA_NAMES = (
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "instance-data",
    "instance-data.ec2.internal",
)
#: The most destinations of one server. Each is a process of its own on the host.
MOST_DESTINATIONS = 32


def refusal_of(destination: str) -> Wrong | None:
    """Why a server may not be let call a destination; None where it may."""
    name, _, port = destination.rpartition(":")
    if "://" in destination or not name or not port.isascii() or not port.isdigit():
        return Wrong("is not NAME:PORT", "write it such as api.github.com:443")
    if not 1 <= int(port) <= 65535 or port != str(int(port)):
        return Wrong(f"{port} is no port", "write one from 1 to 65535")
    if _is_address(name):
        remedy = f"give the address a name in /etc/hosts of the host, and write that name with :{port}"
        return Wrong("is an address, and a host lets a server call names alone", remedy)
    if not _NAME.fullmatch(name):
        return Wrong(
            "holds no host name in small letters", "write it such as api.github.com:443; there are no wildcards"
        )
    if name == "localhost" or name.endswith(".localhost"):
        return Wrong(
            "is this machine, where the guard and other servers listen", "have the server call its own loopback"
        )
    if name in METADATA_NAMES:
        return Wrong("is the metadata service of a cloud, which hands out the machine's credentials", "remove it")
    return None


def _is_address(name: str) -> bool:
    # What resolvers read as an address is one too: 0x7f.1, 127.1, 2130706433 (inet_aton(3)).
    if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}", name):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _destination(value: str) -> str:
    if problem := refusal_of(value):
        raise problem
    return value


Destination = Annotated[str, AfterValidator(_destination)]
