"""Plugins that watch and change nothing a client or an upstream can see. Their options are not judged here: a test
judges them by Kong's own schemas."""

from __future__ import annotations

from typing import ClassVar

from tests.support.kong_gateway.configuration import Configuration, Plugin
from tests.support.kong_gateway.counters import Counters
from tests.support.kong_gateway.plugins.handler import Handler


class _Silent(Handler):
    NAME: ClassVar[str] = ""

    def __init__(self, plugin: Plugin, configuration: Configuration, counters: Counters) -> None:
        super().__init__(Plugin(plugin.name, {}, plugin.service), configuration, counters)


class Prometheus(_Silent):
    NAME = "prometheus"
    PRIORITY = 13


class HttpLog(_Silent):
    NAME = "http-log"
    PRIORITY = 12


class FileLog(_Silent):
    NAME = "file-log"
    PRIORITY = 9


class OpenTelemetry(_Silent):
    NAME = "opentelemetry"
    PRIORITY = 14
