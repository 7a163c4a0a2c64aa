"""Runs the demo's server on every address of a network in which nobody else is, and a command beside it.

    unshare --map-root-user --net --pid --fork --kill-child -- python -m sandbox.own_network COMMAND...

A server on 0.0.0.0 is what the demo begins with, and must never be had on a real network: there anybody could call it. In
a network namespace of its own (Linux) it is reached by the command given here alone, and what is in a process namespace
of its own ends with unshare(1). The exit code is the command's, or
`NO_NETWORK` where the namespace cannot be used.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys

PORT = 8080
NO_NETWORK = 97
#: ioctl(2) requests of netdevice(7).
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


def bring_up_loopback() -> None:
    """Switch `lo` on, which is off in a new namespace. Raises OSError outside of one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", b"lo", _flags(control, "lo") | _UP))


def is_alone() -> bool:
    """Whether loopback is the only interface that is on, so that no other machine can reach what listens here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return [name for _, name in socket.if_nameindex() if _flags(control, name) & _UP] == ["lo"]


def _flags(control: socket.socket, name: str) -> int:
    answer = fcntl.ioctl(control, _GET_FLAGS, struct.pack("16sh14x", name.encode(), 0))
    (flags,) = struct.unpack_from("16xh", answer)
    return int(flags)


def main(command: list[str]) -> int:
    """Run the command while the server listens; its exit code."""
    try:
        bring_up_loopback()
    except OSError:
        return NO_NETWORK
    if not is_alone():
        return NO_NETWORK
    serving = [sys.executable, "-m", "sandbox.demo_server", "--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104 - see above
    server = subprocess.Popen(serving, stdout=subprocess.PIPE, encoding="utf-8", errors="replace")
    try:
        if server.stdout is None or not server.stdout.readline().startswith("http://"):
            return NO_NETWORK
        return subprocess.run(command, check=False, env={**os.environ, "NO_COLOR": "1"}).returncode
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
