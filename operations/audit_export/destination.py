"""Reads where a person wants records sent, and makes the sink."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from model.errors import InputError
from model.loopback import is_loopback
from operations.audit_export.s3 import S3Sink
from operations.audit_export.sinks import EventSink
from operations.audit_export.syslog import SyslogSink
from wire.http import tls_context

#: Registered for syslog over TLS (RFC 5425).
_TLS_PORT = 6514
_TLS, _TCP, _S3 = "syslog+tls", "syslog+tcp", "s3"
_EXAMPLES = "give syslog+tls://siem.example.com or s3://bucket/prefix"


@dataclass(frozen=True, slots=True)
class DestinationOptions:
    """What a destination's address does not say."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    endpoint: str | None = None
    region: str | None = None
    #: Seconds that a store's records are collected for one object.
    every: float = 60.0


def sink_of(address: str, options: DestinationOptions) -> EventSink:
    """The sink for an address; raises InputError for one to which records do not go, and for options that are not its."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise InputError("is no address", key="--to", remedy=_EXAMPLES) from None
    if parts.username is not None or parts.password is not None:
        raise InputError("holds a user name or password", key="--to", remedy="remove it")
    if parts.scheme == _S3:
        return _store(parts, options)
    if parts.scheme in (_TLS, _TCP):
        return _receiver(parts, port, options)
    if parts.scheme in ("syslog", "syslog+udp", "udp"):
        raise InputError(
            "syslog over UDP loses records without a word", key="--to", remedy=f"give {_TLS}://{parts.netloc or 'HOST'}"
        )
    raise InputError("is no destination that is known", key="--to", remedy=_EXAMPLES)


def _receiver(parts: SplitResult, port: int | None, options: DestinationOptions) -> SyslogSink:
    host = parts.hostname
    if not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise InputError("must be a host and a port alone", key="--to", remedy=f"give {_TLS}://siem.example.com:6514")
    _refuse("a receiver of syslog", {"--endpoint": options.endpoint, "--region": options.region})
    if parts.scheme == _TLS:
        return SyslogSink(host, port or _TLS_PORT, _context(options))
    if not is_loopback(host):
        raise InputError(
            "would send records in clear beyond this machine", key="--to", remedy=f"give {_TLS}://{parts.netloc}"
        )
    if port is None:
        raise InputError("names no port", key="--to", remedy=f"give {_TCP}://{host}:601")
    _refuse("a receiver without TLS", {"--ca": options.ca, "--certificate": options.certificate, "--key": options.key})
    return SyslogSink(host, port, None)


def _context(options: DestinationOptions) -> ssl.SSLContext:
    context = tls_context(None if options.ca is None else str(options.ca))
    if (options.certificate is None) != (options.key is None):
        raise InputError("go together", key="--certificate, --key", remedy="give both, or neither")
    if options.certificate is not None and options.key is not None:
        try:
            context.load_cert_chain(options.certificate, options.key)
        except (OSError, ssl.SSLError) as error:
            raise InputError(
                f"cannot be used ({type(error).__name__})",
                file=options.certificate,
                key="--certificate",
                remedy="give the certificate and its key in PEM, without a passphrase",
            ) from None
    return context


def _store(parts: SplitResult, options: DestinationOptions) -> S3Sink:
    if not parts.netloc or parts.query or parts.fragment:
        raise InputError("must be a bucket and a prefix alone", key="--to", remedy="give s3://bucket/prefix")
    _refuse("a store", {"--ca": options.ca, "--certificate": options.certificate, "--key": options.key})
    if options.endpoint is not None:
        endpoint = urlsplit(options.endpoint)
        if endpoint.scheme != "https" and not (endpoint.scheme == "http" and is_loopback(endpoint.hostname or "")):
            raise InputError(
                "must be an https address (http only on loopback)",
                key="--endpoint",
                remedy="write it such as https://s3.example.com",
            )
    return S3Sink(parts.netloc, parts.path, options.endpoint, options.region, wait=options.every)


def _refuse(kind: str, options: dict[str, object | None]) -> None:
    for option, value in options.items():
        if value is not None:
            raise InputError(f"is not for {kind}", key=option, remedy="leave it out")
