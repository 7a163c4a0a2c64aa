"""Where the guard sends a span of each call, and whose trace it joins."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from model.base import HttpsUrl, Model
from model.origin_headers import OriginHeaders


class Traces(Model):
    """A span of each call for a collector of traces (OpenTelemetry, OTLP over HTTP). No argument, no result and no caller
    is in it."""

    endpoint: HttpsUrl = Field(description="The collector's whole address, such as https://otlp.example.com/v1/traces.")
    headers: OriginHeaders = Field({}, description="Headers for the collector, each found on the host.")
    sampling_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        100, description="Percent of the calls whose spans are recorded."
    )
    parent: Literal["link", "continue"] = Field(
        "link",
        description="What becomes of a trace that the client began: a trace of the guard's own is linked to it, or the "
        "client's is continued, so that the client decides what is recorded.",
    )
