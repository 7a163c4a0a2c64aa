"""What one request used: tokens as the provider counts them, and their cost as an exact number.

A cost is counted in whole units of 1e-12 of the currency: prices have at most six decimals and are for a million tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from model.model_route import Price, per_million

#: Fractions of the currency in which costs are exact.
PICO = 10**12
#: Fractions in which budgets are counted: a bucket's level is a binary fraction, exact for whole numbers up to 2**53.
MICRO = 10**6
_MOST = 2**53


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Tokens of one request and its answer. `cached` of the input and `reasoning` of the output are parts of these, where
    the provider names them. `estimated`: the provider named none."""

    input: int
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False

    @property
    def tokens(self) -> int:
        return self.input + self.output

    def cost(self, price: Price | None) -> int:
        """The cost in 1e-12 of the currency; 0 without a price."""
        if price is None:
            return 0
        return self.input * _pico_per_token(price.input) + self.output * _pico_per_token(price.output)

    def as_json(self, price: Price | None) -> dict[str, Any]:
        """For the audit log: no member that says nothing."""
        members: dict[str, Any] = {"input": self.input, "output": self.output}
        members |= {name: number for name in ("cached", "reasoning") if (number := getattr(self, name))}
        if self.estimated:
            members["estimated"] = True
        if price is not None:
            members["cost"] = amount_of(self.cost(price))
        return members


NOTHING = ModelUsage(0)


def _pico_per_token(price: str) -> int:
    return int(per_million(price) * MICRO)


def amount_of(pico: int) -> str:
    """A cost as a decimal number without trailing zeros."""
    text = f"{Decimal(pico) / PICO:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def micro_of(pico: int) -> int:
    """A cost in the unit of budgets, rounded up."""
    return -(-pico // (PICO // MICRO))


def read_usage(value: Any) -> ModelUsage | None:
    """The `usage` of an answer, in the words of chat completions and embeddings or in those of responses; None where it is
    none.

    A provider's total may be more than input and output: Gemini's has the tokens of its thoughts. Those are output.
    """
    if not isinstance(value, dict):
        return None
    tokens_in = _count(value, "prompt_tokens", "input_tokens")
    tokens_out = _count(value, "completion_tokens", "output_tokens")
    total = _count(value, "total_tokens")
    if tokens_in is None or (tokens_out is None and total is None):
        return None
    output = max(tokens_out or 0, (total or 0) - tokens_in)
    cached = _detail(value, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    reasoning = _detail(value, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    return ModelUsage(tokens_in, output, min(cached, tokens_in), min(reasoning, output))


def _count(value: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        number = value.get(name)
        if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < _MOST:
            return number
    return None


def _detail(value: Mapping[str, Any], places: tuple[str, ...], name: str) -> int:
    for place in places:
        details = value.get(place)
        if isinstance(details, dict):
            return _count(details, name) or 0
    return 0


def numbers_of(usage: Mapping[str, Any]) -> dict[str, Any]:
    """A usage without anything but numbers, as nothing else of it is judged."""
    return {
        name: numbers_of(value) if isinstance(value, dict) else value
        for name, value in usage.items()
        if isinstance(value, dict) or value is None or isinstance(value, int | float)
    }
