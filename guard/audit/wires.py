"""The two protocols to a collector: JSON by POST, and OTLP/HTTP logs (OpenTelemetry protocol 1.x, binary protobuf).

When something is sent, and again after a failure, is decided in `guard.audit.anchor`. This uses OTLP's own messages and
not its Python exporter: the exporter counts a redirect as success and never reads `partial_success`
(opentelemetry-exporter-otlp-proto-http 1.45), so a head that no collector kept would pass as anchored.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import httpx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from guard.audit.chain import SignedHead
from wire.http import HttpAnswer, HttpPolicy, exchange, reason_of

#: A collector answers in a few bytes; an error page is longer.
MAX_ANSWER = 1024 * 1024


class NotAccepted(Exception):
    """The collector did not accept what was sent. The error's text quotes nothing of it. `status` is its HTTP status, None
    where there was no answer."""

    def __init__(self, problem: str, status: int | None = None) -> None:
        super().__init__(problem)
        self.status = status


class CollectorWire(Protocol):
    """A connection to the collector. `send_*` return once it has confirmed everything, else they raise NotAccepted."""

    def send_head(self, head: SignedHead) -> None: ...

    def send_records(self, lines: Sequence[bytes]) -> None: ...

    def close(self) -> None: ...


class CollectorPost:
    """The connection to a collector that takes POST; `headers` are for every request."""

    def __init__(
        self, url: str, headers: Mapping[str, str], ca_file: str | None, *, timeout: float, content_type: str
    ) -> None:
        sent = {**headers, "content-type": content_type, "user-agent": "ringwall-guard"}
        self._url = url
        self._timeout = timeout
        self._client = HttpPolicy(url, proxies=True, ca_file=ca_file).client(headers=sent, timeout=timeout)

    def post(self, body: bytes) -> HttpAnswer:
        """The collector's answer; raises NotAccepted unless it is 2xx."""
        try:
            answer = exchange(
                self._client, "POST", self._url, limit=MAX_ANSWER, deadline=2 * self._timeout, content=body
            )
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, ssl.SSLError) as error:
            # The error's own text may quote what was sent. RuntimeError: the client was closed meanwhile.
            raise NotAccepted(f"the collector did not answer ({reason_of(error)})") from None
        if not 200 <= answer.status < 300:
            raise NotAccepted(f"the collector answered HTTP {answer.status}", answer.status)
        return answer

    def close(self) -> None:
        self._client.close()


class HttpWire:
    """Sends each head as one JSON object; any 2xx means that the collector keeps it."""

    def __init__(self, url: str, token: str | None, ca_file: str | None, *, timeout: float) -> None:
        self._post = CollectorPost(url, _bearer(token), ca_file, timeout=timeout, content_type="application/json")

    def send_head(self, head: SignedHead) -> None:
        self._post.post(head.body())

    def send_records(self, lines: Sequence[bytes]) -> None:
        raise NotAccepted("records go by protocol otlp only")

    def close(self) -> None:
        self._post.close()


class OtlpWire:
    """Sends heads and records as OTLP log records whose body is the JSON text. `url` is the full address with /v1/logs."""

    def __init__(self, url: str, token: str | None, ca_file: str | None, *, timeout: float) -> None:
        self._post = CollectorPost(url, _bearer(token), ca_file, timeout=timeout, content_type="application/x-protobuf")

    def send_head(self, head: SignedHead) -> None:
        self._send(head.server, [("ringwall.audit.head", head.body().decode())])

    def send_records(self, lines: Sequence[bytes]) -> None:
        texts = [line.decode().rstrip("\n") for line in lines]
        server = json.loads(texts[0])["server"] if texts else ""
        self._send(server, [("ringwall.audit.record", text) for text in texts])

    def close(self) -> None:
        self._post.close()

    def _send(self, server: str, bodies: list[tuple[str, str]]) -> None:
        time_ns = time.time_ns()
        records = [
            LogRecord(
                observed_time_unix_nano=time_ns,
                severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
                event_name=name,
                body=AnyValue(string_value=text),
            )
            for name, text in bodies
        ]
        resource = Resource(
            attributes=[_attribute("service.name", "ringwall-guard"), _attribute("ringwall.server", server)]
        )
        scope = ScopeLogs(scope=InstrumentationScope(name="ringwall.audit"), log_records=records)
        request = ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=resource, scope_logs=[scope])])
        answer = self._post.post(request.SerializeToString())
        try:
            rejected = ExportLogsServiceResponse.FromString(answer.body).partial_success.rejected_log_records
        except DecodeError:
            raise NotAccepted("the collector's answer is not OTLP") from None
        if rejected:
            raise NotAccepted(f"the collector rejected {rejected} of {len(records)} log records")


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))
