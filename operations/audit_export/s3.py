"""An S3-compatible store: each delivery is one object, named by its first record, so that sending it again replaces it."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

from model.errors import InputError
from operations.audit_export.log_cursor import SealedRecord
from operations.audit_export.ocsf import line_of
from operations.audit_export.sinks import NotDelivered


class S3Sink:
    """One bucket and prefix. Credentials come from where AWS's own programs look for them (environment, profile, role)."""

    most = 50_000
    size = 16 * 1024 * 1024

    def __init__(self, bucket: str, prefix: str, endpoint: str | None, region: str | None, *, wait: float) -> None:
        self.wait = wait
        self._bucket = bucket
        self._prefix = prefix
        try:
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
            from botocore.session import get_session
        except ImportError:
            raise InputError(
                "a store needs the package botocore, which is not installed",
                key="--to",
                remedy="install it beside Ringwall: pip install 'botocore>=1.44'",
            ) from None
        self._errors = (BotoCoreError, ClientError)
        # Stores beside AWS's know paths better than bucket names in host names, and few know its newer checksums.
        settings: dict[str, Any] = (
            {}
            if endpoint is None
            else {"s3": {"addressing_style": "path"}, "request_checksum_calculation": "when_required"}
        )
        config = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 2}, **settings)
        try:
            self._client: Any = get_session().create_client(
                "s3", region_name=region, endpoint_url=endpoint, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise InputError(f"the store cannot be used: {error}", key="--to", remedy="give --region") from None

    def send(self, records: Sequence[SealedRecord]) -> None:
        body = gzip.compress(b"".join(line_of(sealed) + b"\n" for sealed in records), 6, mtime=0)
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=self._key(records[0]), Body=body, ContentType="application/gzip"
            )
        except self._errors as error:
            answer = getattr(error, "response", {}).get("Error", {}).get("Code")
            raise NotDelivered(f"s3://{self._bucket}: {answer or type(error).__name__}") from None

    def _key(self, first: SealedRecord) -> str:
        """A name that sorts by time and by record."""
        server, day = str(first.record.get("server")), str(first.record.get("time"))[:10]
        name = f"{server}/{day}/{first.sequence:012d}.jsonl.gz"
        return f"{self._prefix.strip('/')}/{name}" if self._prefix.strip("/") else name

    def close(self) -> None:
        self._client.close()
