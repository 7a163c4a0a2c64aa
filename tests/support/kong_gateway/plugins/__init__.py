"""Every plugin the stand-in knows, by name."""

from __future__ import annotations

from tests.support.kong_gateway.plugins import answers, functions, identity, licensed, limits, models, requests, silent
from tests.support.kong_gateway.plugins.handler import Handler

HANDLERS: dict[str, type[Handler]] = {
    handler.NAME: handler
    for handler in (
        functions.PreFunction,
        requests.CorrelationId,
        answers.Cors,
        identity.Jwt,
        identity.KeyAuth,
        requests.RequestSizeLimiting,
        identity.Acl,
        licensed.OpenidConnect,
        licensed.RateLimitingAdvanced,
        limits.RateLimiting,
        limits.ResponseRateLimiting,
        requests.RequestTransformer,
        answers.RequestTermination,
        models.AiPromptDecorator,
        models.AiPromptGuard,
        models.AiProxy,
        silent.Prometheus,
        silent.HttpLog,
        silent.FileLog,
        silent.OpenTelemetry,
    )
}
