"""A verdict engine of your own: a small server by Ringwall's HTTP contract, with the standard library alone.

    ENGINE_TOKEN=... python server.py --port 8700

Put your classifier or policy in place of `judge`. The contract is docs/reference/engine-contract.md.
"""

from __future__ import annotations

import argparse
import contextlib
import hmac
import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Bytes of a request at most: a piece of 200,000 characters, its value as JSON beside it, and names.
MAX_BODY = 4 * 1024 * 1024
CODENAME = re.compile(r"\bproject-(?:falcon|osprey)\b", re.IGNORECASE)
ORDER = re.compile(r"\bforward (?:this|the \w+) to\b", re.IGNORECASE)
MOST = 1000


def judge(request: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The verdict on one request, and the reasons for it."""
    findings: list[dict[str, Any]] = []
    # A policy: it reads the arguments as JSON. Where `value` is absent they are too long to be a payment.
    if request["leg"] == "arguments" and request["name"] == "pay":
        value = request.get("value")
        if value is None or value.get("arguments", {}).get("amount", 0) > MOST:
            return "block", [{"category": "policy", "label": "amount"}]
    # A classifier: it reads the texts. What it is certain of is named by its words, so that redaction can cut it out.
    for text in request["texts"]:
        for match in CODENAME.finditer(text["text"]):
            findings.append({"category": "secret", "label": "codename", "words": match.group()})
    if findings:
        return "block", findings
    # A suspicion: it is recorded and taints the caller, so that no call sends data out for a while.
    for text in request["texts"]:
        if ORDER.search(text["text"]):
            findings.append({"category": "injection", "label": "order", "pointer": text["pointer"], "confidence": 0.6})
    return ("flag" if findings else "allow"), findings[:100]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    token = ""

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            return self.answer(413, {"error": "too long"})
        body = self.rfile.read(int(length))
        sent = self.headers.get("authorization", "")
        if self.token and not hmac.compare_digest(sent.encode(), f"Bearer {self.token}".encode()):
            return self.answer(401, {"error": "wrong token"})
        try:
            request = json.loads(body)
            if request["version"] != 1:
                return self.answer(400, {"error": "version 1 only"})
            verdict, findings = judge(request)
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.answer(400, {"error": "not a request of the contract"})
        return self.answer(200, {"version": 1, "id": request["id"], "verdict": verdict, "findings": findings})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """No line for each request: the guard's audit log has them."""


def main() -> None:
    parser = argparse.ArgumentParser(description="A verdict engine for Ringwall's guard, on loopback.")
    parser.add_argument("--port", type=int, default=8700)
    Handler.token = os.environ.get("ENGINE_TOKEN", "")
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
