"""A vendor engine that misbehaves by lot: Lakera Guard v2's interface on loopback by TLS, in a process of its own.

It flags what holds `BLOCK_WORD` and answers a share of requests with the faults the facts on vendors name: HTTP 500 and
429, an answer cut short, `flagged` that is no boolean, a closed connection, and silence beyond the guard's deadline.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import ssl
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.certificates import issued
from tests.support.guard_process import first_line

BLOCK_WORD = "vendor-flags-this"
KEY = "soak-key-not-a-secret"
#: Out of 1,000 requests. Rare enough that the circuit breaker closes again between bursts.
FAULTS = {"500": 4, "429": 2, "cut": 2, "not_boolean": 2, "closed": 2, "silent": 1}


@dataclass(frozen=True)
class Vendor:
    """The running stand-in: the guard's `engines` entry for it, what the guard needs in its environment."""

    url: str
    settings: dict[str, Any]
    environment: dict[str, str]
    certificate: Path

    def counts(self) -> dict[str, int]:
        """How many requests got which kind of answer."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        with urllib.request.urlopen(f"{self.url}/counts", timeout=5, context=context) as answer:  # noqa: S310
            return dict(json.load(answer))


@contextlib.contextmanager
def vendor(folder: Path, seed: int, *, faults: bool = True) -> Iterator[Vendor]:
    """The stand-in with a certificate of its own in `folder`; killed at the end."""
    certificate, key = folder / "vendor.pem", folder / "vendor.key"
    write_certificate(certificate, key)
    command = [sys.executable, "-m", "tests.soak.vendor", "--certificate", str(certificate), "--key", str(key)]
    command += ["--seed", str(seed), *(() if faults else ("--no-faults",))]
    with first_line(command) as (url, _):
        lakera = {"base_url": url, "project_id": "project-soak", "api_key": {"env": "SOAK_LAKERA_KEY"}}
        environment = {"SOAK_LAKERA_KEY": KEY, "SSL_CERT_FILE": str(certificate)}
        yield Vendor(url, {"lakera": lakera}, environment, certificate)


def write_certificate(certificate: Path, key: Path) -> None:
    """A self-signed certificate for 127.0.0.1."""
    own = issued("vendor stand-in", ["127.0.0.1"])
    certificate.write_bytes(own.pem)
    key.write_bytes(own.key_pem)


class Service:
    """Answers on each connection; `seed` decides who gets a fault."""

    def __init__(self, seed: int, faults: bool) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a reproducible run, not a secret
        self.faults = FAULTS if faults else {}
        self.counts: Counter[str] = Counter()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self.exchange(reader, writer):
                pass
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; True when the connection may carry another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        if head[0].startswith("get /counts "):
            return await self.answer(writer, 200, dict(self.counts))
        if not head[0].startswith("post /v2/guard ") or fields.get("authorization") != f"bearer {KEY}":
            self.counts["refused"] += 1
            return await self.answer(writer, 401, {"error": "no"})
        chances = [*self.faults.values(), 1000 - sum(self.faults.values())]
        fault = self.random.choices([*self.faults, "none"], chances)[0]
        flagged = BLOCK_WORD.encode() in body
        self.counts["flagged" if fault == "none" and flagged else fault] += 1
        result: dict[str, Any] = {"flagged": flagged, "metadata": {"request_uuid": f"soak-{self.counts.total()}"}}
        rows = [{"detector_type": "prompt_attack", "detected": flagged, "message_id": 0}]
        result |= {"breakdown": rows, "payload": []}
        match fault:
            case "500":
                return await self.answer(writer, 500, {"error": "internal"})
            case "429":
                return await self.answer(writer, 429, {"error": "slow down"}, retry_after=1)
            case "not_boolean":
                return await self.answer(writer, 200, {**result, "flagged": "false"})
            case "cut":
                return await self.answer(writer, 200, result, cut=True)
            case "closed":
                return False
            case "silent":
                await asyncio.sleep(10)
                return False
        return await self.answer(writer, 200, result)

    async def answer(
        self, writer: asyncio.StreamWriter, status: int, value: Any, *, retry_after: int = 0, cut: bool = False
    ) -> bool:
        body = json.dumps(value).encode()
        body = body[: len(body) // 2] if cut else body
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        head += f"retry-after: {retry_after}\r\n" if retry_after else ""
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
        return True


async def serve(certificate: str, key: str, seed: int, faults: bool) -> None:
    """Print the URL, then serve until ended."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    service = Service(seed, faults)
    server = await asyncio.start_server(service.connection, "127.0.0.1", 0, ssl=context)
    print(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A misbehaving Lakera Guard v2 stand-in.")
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-faults", dest="faults", action="store_false")
    options = parser.parse_args()
    asyncio.run(serve(options.certificate, options.key, options.seed, options.faults))


if __name__ == "__main__":
    main()
