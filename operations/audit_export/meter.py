"""The metrics of an export, on a port of its own on loopback where one is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from model.errors import InputError

PREFIX = "ringwall_audit_export_"
#: Prometheus shows them with `_total` behind the name.
EXPORT_COUNTERS: Mapping[str, str] = {
    "records": "Records that the destination has.",
    "failures": "Deliveries that failed and were tried again.",
}
EXPORT_GAUGES: Mapping[str, str] = {
    "position": "Number of the last record that the destination has.",
    "lag_records": "Records of the log that the destination does not have yet.",
    "last_delivery": "When the last delivery succeeded, in Unix seconds; 0 for none since the start.",
}


class ExportMeter:
    """The numbers of one export; `lag` says at any time how many records wait."""

    def __init__(self, position: int, lag: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        counters = {
            name: Counter(PREFIX + name, text, registry=self.registry) for name, text in EXPORT_COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(PREFIX + name, text, registry=self.registry) for name, text in EXPORT_GAUGES.items()
        }
        self._records = counters["records"]
        self.failures = counters["failures"]
        self._gauges["position"].set(position)
        self._gauges["lag_records"].set_function(lag)

    def moved(self, records: int, position: int) -> None:
        """Note a delivery."""
        self._records.inc(records)
        self._gauges["position"].set(position)
        self._gauges["last_delivery"].set_to_current_time()

    def serve(self, port: int) -> tuple[WSGIServer, threading.Thread]:
        """Serve the metrics on loopback; raises InputError where the port is in use."""
        try:
            return start_http_server(port, "127.0.0.1", self.registry)
        except OSError as error:
            raise InputError(
                f"127.0.0.1:{port} cannot be listened on ({error.strerror})",
                key="--metrics-port",
                remedy="give another",
            ) from None
