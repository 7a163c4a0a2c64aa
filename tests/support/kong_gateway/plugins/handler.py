"""What a plugin is: a priority, options with their defaults, and up to three phases."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.support.kong_gateway.configuration import Configuration, Plugin, Unsupported
from tests.support.kong_gateway.counters import Counters
from tests.support.kong_gateway.exchange import Exchange


class Handler:
    """One configured plugin. `OPTIONS` names every option and its default in Kong's schema."""

    NAME: ClassVar[str]
    PRIORITY: ClassVar[int]
    OPTIONS: ClassVar[dict[str, Any]] = {}
    #: What Kong 3.15 adds to these, each with the one value that changes nothing here.
    ADDED: ClassVar[dict[str, Any]] = {}

    def __init__(self, plugin: Plugin, configuration: Configuration, counters: Counters) -> None:
        if unknown := sorted(set(plugin.config) - set(self.OPTIONS) - set(self.ADDED)):
            raise Unsupported(f"{self.NAME}: option {unknown[0]}")
        for name, value in self.ADDED.items():
            if plugin.config.get(name, value) != value:
                raise Unsupported(f"{self.NAME}: {name} {plugin.config[name]!r}")
        self.config: dict[str, Any] = {**self.OPTIONS, **plugin.config}
        for name, value in self.config.items():
            if value is None and self.OPTIONS.get(name) is not None:
                raise Unsupported(f"{self.NAME}: {name} null, though it has a default")
        self.scope = plugin.service or ""
        self.configuration = configuration
        self.counters = counters
        self.check()

    def require(self, option: str, *allowed: Any) -> None:
        """Refuse a value whose meaning is not written here."""
        if self.config[option] not in allowed:
            raise Unsupported(f"{self.NAME}: {option} {self.config[option]!r}")

    def check(self) -> None:
        """Refuse what the stand-in cannot do."""

    def access(self, exchange: Exchange) -> None:
        """Before the upstream is asked; raises Exit to answer instead."""

    def header_filter(self, exchange: Exchange) -> None:
        """When the answer's head is there, the gateway's own answer too."""

    def log(self, exchange: Exchange) -> None:
        """After the answer."""
