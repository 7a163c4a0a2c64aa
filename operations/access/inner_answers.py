"""What Kong's inner route says to a request that a model route's guard lets pass: the prompt policy, and its own checks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from model.stacks import ModelStack
from operations.access.answers import RingAnswer
from operations.access.places import server_place
from plan.grant_words import budget_words

RING = "gateway"


def inner_answers(stack: ModelStack) -> list[RingAnswer]:
    """The answers in the order in which Kong's plugins run. What only a service or a model knows is a condition."""
    return [*_prompt_answers(stack), *_check_answers(stack), *_count_answers(stack)]


def _prompt_answers(stack: ModelStack) -> Iterator[RingAnswer]:
    policy = stack.manifest.prompt_policy
    for key, words in (("deny", "no user message may match one of"), ("allow", "the conversation must match one of")):
        if patterns := getattr(policy, key):
            text = f"{words} {_quoted(patterns)}, as Kong reads them"
            yield RingAnswer(RING, "depends", text, server_place(stack, "prompt_policy", key))
    if policy.system is not None:
        text = "Kong puts the route's system message before the conversation"
        yield RingAnswer(RING, "note", text, server_place(stack, "prompt_policy", "system"))


def _check_answers(stack: ModelStack) -> Iterator[RingAnswer]:
    gateway = stack.manifest.gateway
    for key, title, check in (
        ("lakera", "Lakera Guard", gateway.lakera),
        ("prisma_airs", "Prisma AIRS", gateway.prisma_airs),
    ):
        if check is not None:
            text = f"Kong asks {title} about {' and '.join(check.legs)}, and it must pass them; it was not asked"
            yield RingAnswer(RING, "depends", text, server_place(stack, "gateway", key))
    if (topics := gateway.topics) is not None:
        for key, words in (("deny", "must be like none of"), ("allow", "must be like one of")):
            if named := getattr(topics, key):
                text = f"by its meaning the prompt {words} {_quoted(named)}; no model compared them"
                yield RingAnswer(RING, "depends", text, server_place(stack, "gateway", "topics", key))
    if (sanitizer := gateway.sanitizer) is not None:
        kinds, legs = ", ".join(sanitizer.anonymize), " and ".join(sanitizer.legs)
        place = server_place(stack, "gateway", "sanitizer")
        if sanitizer.action == "block":
            text = f"Kong's sanitizer must find none of {kinds} in {legs}; it was not asked"
            yield RingAnswer(RING, "depends", text, place)
        else:
            yield RingAnswer(RING, "note", f"Kong's sanitizer takes {kinds} out of {legs}", place)


def _count_answers(stack: ModelStack) -> Iterator[RingAnswer]:
    manifest = stack.manifest
    if (limits := manifest.gateway.limits) is not None:
        text = f"Kong counts too: at most {budget_words(limits.dump())}, of one caller and model"
        yield RingAnswer(RING, "note", text, server_place(stack, "gateway", "limits"))
    if (cache := manifest.cache.semantic) is not None:
        text = f"a request that means the same may get an answer that Kong gave anybody within {cache.lifetime}"
        yield RingAnswer(RING, "note", text, server_place(stack, "cache", "semantic"))


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(json.dumps(text, ensure_ascii=False) for text in texts)
