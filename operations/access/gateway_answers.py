"""What the gateway says to a call: whose token it checks, how large a request may be, and where it cuts off a flood."""

from __future__ import annotations

from components.gateway.flood import refused_kilobytes, refused_requests
from model.defaults import Limits
from model.model_route import ModelBudget
from model.stacks import ModelStack, PerimeterStack, has_guard
from operations.access.answers import RingAnswer
from operations.access.places import environment_place, server_place
from operations.access.settings_answers import settings_answers

RING = "gateway"


def gateway_answers(stack: PerimeterStack, size: int) -> list[RingAnswer]:
    """The answers of Kong's public route to a request of so many bytes."""
    manifest, settings = stack.manifest, stack.settings
    answers = []
    if manifest.oauth.mode == "external" and manifest.oauth.issuer:
        scopes = f" and scopes {', '.join(manifest.oauth.scopes)}" if manifest.oauth.scopes else ""
        text = (
            f"needs a token of {settings.issuers[manifest.oauth.issuer].issuer} for {manifest.oauth.audience}{scopes}"
        )
        answers.append(RingAnswer(RING, "depends", text, server_place(stack, "oauth")))
    else:
        text = f"Kong checks the Access token of {settings.cloudflare.issuer} for this host name"
        answers.append(RingAnswer(RING, "passes", text, environment_place(stack, "cloudflare", "team")))
    most = refused_kilobytes(stack)
    place = server_place(stack, "limits", "body_kilobytes")
    if size > most * 1024:
        remedy = f"raise {place.key}, or send less"
        answers.append(RingAnswer(RING, "refuses", f"{size} bytes, more than {most} KiB", place, remedy))
    return [*answers, _flood(stack), *settings_answers(stack, RING)]


def _flood(stack: PerimeterStack) -> RingAnswer:
    key: tuple[str, ...] = ("limits",)
    limits: Limits | ModelBudget
    if isinstance(stack, ModelStack):
        key, limits = ("limits", "principal"), stack.manifest.limits.principal
    else:
        limits = stack.manifest.limits
    # A route without it is no route (`model.model_route`).
    text = "cuts off a flood" if has_guard(stack) else "refuses"
    text += f": above {refused_requests(stack, limits.requests_per_minute or 0)} requests a minute"
    if limits.requests_per_hour is not None:
        text += f" or {refused_requests(stack, limits.requests_per_hour, periods=60)} an hour"
    return RingAnswer(RING, "note", f"{text} of one caller", server_place(stack, *key, "requests_per_minute"))
