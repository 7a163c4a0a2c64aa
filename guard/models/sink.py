"""One HTTP response of a model route. It reports tokens as the provider counts them, and never by estimate of its bytes."""

from __future__ import annotations

from guard.http.sink import HttpSink


class ModelSink(HttpSink):
    """A response whose tokens `admit` notes once they are known."""

    __slots__ = ()

    def admit(self, tokens: int) -> None:
        """Note the tokens of a request and its answer: they are reported with this answer, or the next where its headers
        are sent."""
        if self.streaming:
            self.runtime.budget.owe(tokens)
        else:
            self._request_tokens += tokens

    def _tokens(self, body: bytes) -> int:
        return 0
