"""Rules for what a text wants done, whatever its words: it orders what a tool of this very server, or of one beside it, does,
or names what is worth stealing as something to hand out.

Such a text is ordinary: a ticket asks for things. Nothing is stopped for it. Its reader is tainted, so that the next call
that could send data out or change something elsewhere is put to a person (`guard.decide.outbound`). Results and resources alone are judged:
prompts and definitions tell a model what to do by their nature.
"""

from __future__ import annotations

import re
from functools import lru_cache

from guard.engines.rules.contexts import is_wanted
from guard.engines.rules.rule import DetectionRule, gap
from guard.inspect.verdict import Category, Leg

LEGS = frozenset((Leg.RESULTS, Leg.RESOURCES))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_DATA = (
    r"(?:files?|messages?|e-?mails?|contacts?|address book|contents?|history|records?|documents?|conversations?|chats?|credentials?|keys?|"
    r"passwords?|tokens?|codes?|secrets?|calendar|data(?:base)?|lists?|invoices?|statements?|results?|logs?|transcripts?|settings|configuration)"
)
_RECIPIENT = r"(?:[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://)"
_KEY_FILES = (
    r"(?:~?/?\.ssh/(?:id_[a-z0-9]+|authorized_keys|config)\b|\bid_(?:rsa|ed25519|ecdsa)\b|\.aws/credentials\b|\.kube/config\b|"
    r"\.git-credentials\b|\.netrc\b|/etc/shadow\b|\.config/gcloud/|\.docker/config\.json)"
)


def _rule(name: str, pattern: str, trigger: str = "", **options: object) -> DetectionRule:
    return DetectionRule(
        f"behaviour.{name}",
        Category.INJECTION,
        pattern,
        legs=LEGS,
        trigger=trigger,
        confidence=0.3,
        advisory=True,
        **options,  # type: ignore[arg-type]
    )


def _not_public(value: str, before: str, after: str) -> bool:
    """Whether a key file is asked for, and not the half of it that is made to be given away."""
    return not after.startswith(".pub") and is_wanted(value, before, after)


RULES = (
    _rule(
        "credential",
        rf"\b(?:send|read|paste|print|include|attach|upload|share|post|forward|output|fetch|e-?mail|exfiltrate|reveal){gap(6)}[\"'`]?{_KEY_FILES}",
        trigger=_KEY_FILES,
        context=_not_public,
    ),
    _rule(
        "recipient",
        rf"\b(?:send|forward|post|upload|e-?mail|transmit|deliver|relay|export|share|submit){gap(0)}(?:all|every|the|any|your|my|his|her|their|this|last|latest){gap(5)}{_DATA}{gap(4)}(?:to|at|with|via)[^\w\n]{{1,3}}{_RECIPIENT}",
        trigger=rf"\b(?:to|at|with|via)[^\w\n]{{1,3}}{_RECIPIENT}",
        context=is_wanted,
    ),
)


@lru_cache(maxsize=32)
def tool_rules(names: frozenset[str]) -> tuple[DetectionRule, ...]:
    """The rules made from the names of tools that change something or send something out; none without such tools."""
    spelled = sorted(re.escape(name) for name in names if len(_WORD.findall(name)) > 1)
    if not spelled:
        return ()
    named = rf"\b(?:{'|'.join(spelled)})\b"
    order = rf"\b(?:call|use|using|invoke|run|execute|with|via|trigger)[^\w.!?\n]+(?:the[^\w.!?\n]+)?(?:[\w-]+[^\w.!?\n]+)?{named}"
    return (_rule("tool", order, trigger=named, cased=True),)
