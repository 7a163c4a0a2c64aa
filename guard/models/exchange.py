"""One request to a model: granted, within its budgets, judged, sent to the inner route, and its answer judged and counted.

The order is that of cost: what is cheap to refuse is refused first, engines are asked only for a request that has its place,
and a model only for one that passed them.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from guard.decide.cache import CacheKey
from guard.decide.limits import Limited, ReachedLimit
from guard.decide.reasons import AnyReason, Decision, Reason
from guard.decide.tokens import estimate, seconds_to_next_minute
from guard.http.arrival import hold
from guard.http.upstream import AnswerTooLarge, AnswerWithoutRoom, Slip, UpstreamAnswer, UpstreamDown
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import ModelLeg
from guard.large_messages import take_step
from guard.models.answers import (
    MAX_ANSWER,
    MAX_ERROR,
    UnusableModelAnswer,
    answer_parts,
    broken_off,
    provider_error,
    read_answer,
    unusable,
    without_room,
)
from guard.models.budgets import Reservation, limit_text
from guard.models.conversation import MessagePart, merged, request_parts, text_size
from guard.models.inspection import InspectedLeg
from guard.models.policy import GrantedModel
from guard.models.refusals import ErrorCode, ModelRefusal
from guard.models.relay import relay_stream, send_as_stream
from guard.models.requests import ModelRequest, read_request
from guard.models.runtime import ModelContext, ModelRuntime
from guard.models.sink import ModelSink
from guard.models.taint import TAINTED, closes_tool_calls
from guard.models.usage import NOTHING, ModelUsage, read_usage
from guard.models.verdicts import blocked_answer, blocked_request
from model.model_route import ModelKind
from wire.json import Malformed, dump, parse

#: Tokens that an image or a sound counts for until the provider says what it did: what a large picture takes.
MEDIA_TOKENS = 1024
CACHE_HEADER = {"ringwall-cache": "hit"}


class ModelExchange:
    """Serves one request. `reservation` and `request` are there once it has its place."""

    def __init__(self, runtime: ModelRuntime, context: ModelContext, sink: ModelSink) -> None:
        self.runtime = runtime
        self.policy = context.policy
        self.context = context
        self.sink = sink

    async def serve(self, kind: ModelKind, body: bytes) -> None:
        """Answer the request. Raises AuditUnwritable."""
        try:
            await self._serve(kind, body)
        except ModelRefusal as refusal:
            await self.refuse(refusal)

    async def refuse(self, refusal: ModelRefusal) -> None:
        """Record a refusal and answer it: as an answer, or as the last event of a stream that has begun."""
        await self.runtime.record(
            self.context,
            refusal.decision,
            refusal.reason,
            leg=refusal.leg,
            inspected=refusal.inspected,
            usage=refusal.usage,
            reached=refusal.reached,
            key=refusal.key,
            problem=refusal.problem,
        )
        incident = self.context.incident
        await self.sink.refuse(refusal.code.status, refusal.body(incident), refusal.answer_headers(incident))

    async def _serve(self, kind: ModelKind, body: bytes) -> None:
        context, policy = self.context, self.policy
        value = await take_step(context.room.size, _read, body)
        granted = self._granted(value)
        context.model, context.name = granted.model, granted.model.name
        if context.span is not None:
            context.span.about(context.name)
        if len(body) > policy.body_limit:
            raise _too_large(policy.config.limits.body_kilobytes, len(body))
        request = read_request(kind, granted.model, value, policy.extra)
        parts = request_parts(request)
        wait = self.runtime.breaker(granted.model).retry_after()
        if wait is not None:
            text = f"{granted.model.name} failed several times in a row. Try again in {wait} s."
            headers = {"retry-after": str(wait)}
            raise ModelRefusal(
                ErrorCode.PROVIDER_UNAVAILABLE, text, Reason.ORIGIN_UNAVAILABLE, None, headers, Decision.ERROR
            )
        self._check_gateway()
        tokens = _tokens(parts)
        output = None if request.bound is None else request.bound * request.answers
        if kind == "embeddings":
            output = 0
        try:
            reservation = await policy.budgets.reserve(
                context.principal.id, granted.grants, granted.model, tokens, output
            )
        except Limited as limited:
            raise limit_refusal(limited.reached) from None
        context.admitted = True
        try:
            await self._admitted(request, parts, reservation, ModelUsage(tokens, estimated=True))
        finally:
            await reservation.release()

    def _granted(self, value: dict[str, Any]) -> GrantedModel:
        name = value.get("model")
        if not isinstance(name, str) or not name:
            raise ModelRefusal(ErrorCode.INVALID_REQUEST, "model must be a text", Reason.MALFORMED, "model")
        granted = self.policy.granted(self.context.principal).get(name)
        self.context.name = name
        if granted is None:
            # The same whether it exists or not, as a caller must not learn what it may not use.
            text = f"The model {name[:128]!r} does not exist or you do not have access to it. An operator can grant it"
            raise ModelRefusal(ErrorCode.MODEL_NOT_FOUND, text, Reason.NOT_GRANTED, "model")
        return granted

    def _check_gateway(self) -> None:
        """Judge what Kong says is left of the route's tokens. The guard counts them too, so silence refuses nothing."""
        remaining = self.sink.remaining
        if remaining is not None and remaining <= 0:
            wait = seconds_to_next_minute(time.time())
            most = self.policy.config.limits.all.tokens_per_minute
            raise limit_refusal(ReachedLimit("limits.all.tokens_per_minute", most, most, wait))

    async def _admitted(
        self, request: ModelRequest, parts: list[MessagePart], reservation: Reservation, expected: ModelUsage
    ) -> None:
        key = self._cache_key(request)
        stored = self.runtime.cache.get(key) if key is not None and self.runtime.cache is not None else None
        if stored is not None:
            await reservation.settle(NOTHING)
            await hold(stored, self.context.room.held())
            await self.runtime.record(self.context, Decision.ALLOW, Reason.CACHED, response_bytes=len(stored))
            await self._answer(request, await take_step(self.context.room.size, parse, stored), cached=True)
            return
        body = await self._judged(request, parts)
        await self._forward(request, body, reservation, expected, key)

    async def _inspected(self, parts: list[MessagePart]) -> list[InspectedLeg]:
        """What the engines and each leg's policy decide on parts of the request or of its answer."""
        context = self.context
        return await self.policy.inspector.inspect(
            parts,
            context.method,
            context.name,
            principal=context.principal,
            incident=context.incident,
            memory=context.room.size,
        )

    async def _judged(self, request: ModelRequest, parts: list[MessagePart]) -> Any:
        """The request's body as it may be sent on. Raises ModelRefusal."""
        context = self.context
        decisions = await self._inspected(parts)
        body: Any = request.body
        for decision in decisions:
            if not decision.result.passed:
                raise blocked_request(decision, context.incident)
            if decision.result.decision is Decision.REDACT:
                body = merged(body, decision.result.value)
        context.tainted = any(item.leg is ModelLeg.TOOL_RESULTS and item.result.attacked for item in decisions)
        if context.tainted:
            self.runtime.metrics.taints.inc()
        await self._record(decisions)
        return body

    async def _record(
        self, decisions: list[InspectedLeg], usage: ModelUsage | None = None, response_bytes: int | None = None
    ) -> None:
        """One record for each leg where something was found, or one for everything."""
        notable = [item for item in decisions if item.result.decision is not Decision.ALLOW or item.result.covered]
        records: list[tuple[Decision, AnyReason | None, ModelLeg | None, Inspected | None]] = [
            (item.result.decision, item.result.reason, item.leg, item.result) for item in notable or decisions[:1]
        ]
        for number, (decision, reason, leg, inspected) in enumerate(records or [(Decision.ALLOW, None, None, None)]):
            await self.runtime.record(
                self.context,
                decision,
                reason,
                leg=leg,
                inspected=inspected,
                usage=usage if number == 0 else None,
                response_bytes=response_bytes,
            )

    # -- the inner route ----------------------------------------------------------------------------------------------

    async def _forward(
        self, request: ModelRequest, body: Any, reservation: Reservation, expected: ModelUsage, key: CacheKey | None
    ) -> None:
        runtime, owner = self.runtime, self.context.principal.id
        breaker = runtime.breaker(request.model)
        upstream: UpstreamAnswer | None = None
        if request.stream:
            self.sink.stream_if_silent()
        try:
            if self.context.span is not None:
                self.context.span.work()
            upstream = await runtime.routes.send(request, request.forwarded(body), owner)
            if upstream.status != 200:
                if upstream.status >= 500:
                    breaker.failed(owner, reached=True)
                else:
                    breaker.succeeded()
                raise await self._provider_error(request, upstream)
            if request.stream and upstream.media_type == "text/event-stream":
                with runtime.open_stream():
                    await relay_stream(runtime, self.context, self.sink, request, upstream, reservation, expected)
            else:
                await self._relay(request, upstream, reservation, expected, key)
            breaker.succeeded()
        except AnswerTooLarge:
            await self._charge(reservation, expected)
            raise self._with_usage(unusable("it is larger than is passed on"), expected) from None
        except AnswerWithoutRoom as problem:
            await self._charge(reservation, expected)
            raise self._with_usage(without_room(problem), expected) from None
        except Slip as slip:
            raise unusable(str(slip)) from None
        except UpstreamDown as problem:
            runtime.log.warning("model %s is not available: %s", request.model.name, problem)
            breaker.failed(owner, reached=problem.sent)
            refusal = broken_off(problem)
            if problem.sent:
                await self._charge(reservation, expected)
                refusal = self._with_usage(refusal, expected)
            raise refusal from None
        except asyncio.CancelledError:
            # Nobody awaits the answer. A stream that has begun is accounted for already.
            if await self._charge(reservation, expected):
                await runtime.record(self.context, Decision.ERROR, Reason.ANSWER_CUT, usage=expected)
            raise
        finally:
            if upstream is not None:
                upstream.close()

    async def _charge(self, reservation: Reservation, usage: ModelUsage) -> bool:
        """Charge a usage to the principal's budgets, and to the gateway's of the route with the next answer. A second one
        has no effect, and returns False."""
        if not await reservation.settle(usage):
            return False
        self.runtime.budget.owe(usage.tokens)
        return True

    @staticmethod
    def _with_usage(refusal: ModelRefusal, usage: ModelUsage) -> ModelRefusal:
        refusal.usage = usage
        return refusal

    async def _provider_error(self, request: ModelRequest, upstream: UpstreamAnswer) -> ModelRefusal:
        try:
            body = await upstream.read(MAX_ERROR, self.context.room.held())
        except UpstreamDown:
            body = b""
        refusal = provider_error(request, upstream.status, upstream.headers, body)
        context = self.context
        inspected = await self.policy.inspector.judge(
            ModelLeg.ANSWERS,
            refusal.message,
            context.method,
            context.name,
            principal=context.principal,
            incident=context.incident,
        )
        if inspected.decision is not Decision.ALLOW:
            refusal.message = "The provider refused the request"
        if refusal.code is ErrorCode.PROVIDER_REFUSED:
            self.runtime.log.warning(
                "the inner route of %s answers HTTP %d: its credential, address or model is refused",
                request.model.name,
                upstream.status,
            )
        return refusal

    async def _relay(
        self,
        request: ModelRequest,
        upstream: UpstreamAnswer,
        reservation: Reservation,
        expected: ModelUsage,
        key: CacheKey | None,
    ) -> None:
        """Judge a whole answer and pass it on."""
        body = await upstream.read(MAX_ANSWER, self.context.room.held())
        usage = expected
        try:
            answer = await take_step(self.context.room.size, read_answer, request, body)
            parts = answer_parts(request, answer)
            usage = read_usage(answer.get("usage")) or ModelUsage(expected.input, _tokens(parts), estimated=True)
        except UnusableModelAnswer as problem:
            await self._charge(reservation, usage)
            raise self._with_usage(unusable(str(problem)), usage) from None
        await reservation.settle(usage)
        context = self.context
        if any(part.leg is ModelLeg.TOOL_CALLS for part in parts) and closes_tool_calls(context):
            self.runtime.budget.owe(usage.tokens)
            raise self._with_usage(blocked_answer(ModelLeg.TOOL_CALLS, TAINTED, context.incident), usage)
        decisions = await self._inspected(parts)
        for decision in decisions:
            if not decision.result.passed:
                self.runtime.budget.owe(usage.tokens)
                raise self._with_usage(blocked_answer(decision.leg, decision.result, context.incident), usage)
            if decision.result.decision is Decision.REDACT:
                answer = _without_words(merged(answer, decision.result.value))
        encoded = dump(answer)
        await self._record(decisions, usage, len(encoded))
        cache = self.runtime.cache
        if key is not None and cache is not None and all(item.result.decision is Decision.ALLOW for item in decisions):
            cache.put(key, encoded)
        self.sink.admit(usage.tokens)
        await self._answer(request, answer)

    async def _answer(self, request: ModelRequest, answer: dict[str, Any], *, cached: bool = False) -> None:
        headers = CACHE_HEADER if cached else {}
        if request.stream:
            await send_as_stream(self.sink, request, answer, headers)
        else:
            await self.sink.answer(200, answer, headers)

    def _cache_key(self, request: ModelRequest) -> CacheKey | None:
        """The key of a request whose answer may be kept: one that asks for no chance at all."""
        cache, settings = self.runtime.cache, self.policy.config.cache
        temperature = request.body.get("temperature")
        if (
            cache is None
            or settings is None
            or request.kind == "embeddings"
            or temperature != 0
            or temperature is False
        ):
            return None
        if request.stream and request.kind != "chat":
            return None
        owner = "" if settings.shared else self.context.principal.id
        expected = {name: value for name, value in request.body.items() if name not in ("stream", "stream_options")}
        return cache.key_of(owner, self.policy.sha256, request.kind, expected)


def limit_refusal(reached: ReachedLimit) -> ModelRefusal:
    """The refusal of a request beyond a limit, before anything was sent."""
    wait = reached.retry_after_seconds
    headers = {"x-should-retry": "false"} if wait is None else {"retry-after": str(wait)}
    refusal = ModelRefusal(ErrorCode.RATE_LIMITED, limit_text(reached), Reason.RATE_LIMITED, headers=headers)
    refusal.key, refusal.reached = reached.key, reached
    return refusal


def _too_large(most: int, size: int) -> ModelRefusal:
    reached = ReachedLimit("limits.body_kilobytes", most, -(-size // 1024))
    refusal = ModelRefusal(ErrorCode.TOO_LARGE, reached.text, Reason.TOO_LARGE)
    refusal.reached = reached
    return refusal


def _read(body: bytes) -> dict[str, Any]:
    try:
        value = parse(body)
    except Malformed as malformed:
        raise ModelRefusal(ErrorCode.INVALID_REQUEST, f"The body is refused: {malformed}", Reason.MALFORMED) from None
    if not isinstance(value, dict):
        raise ModelRefusal(ErrorCode.INVALID_REQUEST, "The body must be an object", Reason.MALFORMED)
    return value


def _tokens(parts: list[MessagePart]) -> int:
    """Tokens by estimate."""
    return estimate(sum(text_size(part) for part in parts)) + MEDIA_TOKENS * sum(part.media for part in parts)


def _without_words(answer: dict[str, Any]) -> dict[str, Any]:
    """A redacted answer without the list of its single words, which still has what was cut out."""
    choices = answer.get("choices")
    if isinstance(choices, list):
        answer = {**answer, "choices": [{**choice, "logprobs": None} for choice in choices]}
    return answer
