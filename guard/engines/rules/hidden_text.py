"""Rules for text that a person does not see and a model reads.

Sources: Unicode Technical Standard 39 and UAX 9 (bidi controls), UTS 51 (the only use of tag characters is a flag of a
region), ECMA-48 (escape sequences). A definition has no reason to hold anything invisible. Elsewhere terminal colours,
joiners of emoji and of Arabic or Indic scripts, and single zero-width spaces from web pages are ordinary and pass.
"""

from __future__ import annotations

import re

from guard.engines.rules.rule import ALL, DetectionRule
from guard.inspect.verdict import Category, Leg

_DEFINITIONS = frozenset((Leg.DEFINITIONS,))
_ELSEWHERE = ALL - _DEFINITIONS
_ZERO = r"\x{200B}\x{2060}-\x{2064}\x{206A}-\x{206F}\x{180E}\x{FEFF}\x{FFA0}\x{115F}\x{1160}\x{3164}"
_JOINERS = r"\x{200C}\x{200D}"
_FLAG_BASE = "\U0001f3f4"
#: A comment speaks to a model when it names one (or whom it serves) and wants something done; "the assistant widget" does not.
_NAMES_AI = r"\b(?:assistant|agents?|ai|llm|language model|chatbot|claude|chatgpt|gpt|copilot|gemini|the user|you)\b"
_WANTS = (
    r"\b(?:do not|don['’]t|never|must|should|shall|wants?|send|forward|e-?mail|post|reply|respond|answer|call|run|execute|read|reveal|print|output|include"
    r"|append|say|tell|approve|reject|rate|recommend|click|visit|fetch|download|upload|open|use|delete|write|act|pretend|obey|follow|summari[sz]e|treat"
    r"|ignore|disregard|override|forget)\b"
)
_OVERRIDES = r"\b(?:ignore|disregard|override|forget)\b.{0,60}\b(?:instructions?|previous|prior|above|earlier|rules|prompts?|everything|guidelines)\b|\bdo not tell\b|\byou must\b"


def _stray_tags(value: str, before: str) -> bool:
    """Whether tag characters spell no flag: no black flag before them, no end, or longer than a region's name."""
    return not (before.endswith(_FLAG_BASE) and value.endswith("\U000e007f") and len(value) <= 7)


def _inner_mark(value: str, before: str) -> bool:
    """Any but a byte order mark at the very beginning, which is ordinary."""
    return value != "\ufeff" or bool(before)


_AI, _WANT, _OVERRIDE = (re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in (_NAMES_AI, _WANTS, _OVERRIDES))


def _addressed(value: str, before: str) -> bool:
    return bool((_AI.search(value) and _WANT.search(value)) or _OVERRIDE.search(value))


def _hidden(id_: str, pattern: str, **options: object) -> DetectionRule:
    return DetectionRule(f"hidden.{id_}", Category.HIDDEN_TEXT, pattern, **options)  # type: ignore[arg-type]


RULES = (
    _hidden("tags", r"[\x{E0000}-\x{E007F}]+", trigger=r"[\x{E0000}-\x{E007F}]", check=_stray_tags, confidence=0.95),
    _hidden("variation_selectors", r"[\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]{2}", confidence=0.95),
    _hidden("selector_after_latin", r"[ -~][\x{E0100}-\x{E01EF}]", confidence=0.9),
    _hidden("bidi_override", r"[\x{202D}\x{202E}]", confidence=0.9),
    _hidden("bidi", r"[\x{202A}-\x{202C}\x{2066}-\x{2069}]", legs=_DEFINITIONS, confidence=0.9),
    _hidden("zero_width", rf"[{_ZERO}]", legs=_DEFINITIONS, check=_inner_mark, confidence=0.9),
    _hidden("joiner_in_word", rf"[A-Za-z0-9 ][{_JOINERS}][A-Za-z0-9 ]", legs=_DEFINITIONS, confidence=0.8),
    _hidden("zero_width_run", rf"[{_ZERO}{_JOINERS}]{{4}}", legs=_ELSEWHERE, confidence=0.9),
    _hidden(
        "split_word",
        rf"[A-Za-z][{_ZERO}{_JOINERS}\x{{AD}}][A-Za-z][{_ZERO}{_JOINERS}\x{{AD}}][A-Za-z][{_ZERO}{_JOINERS}\x{{AD}}]",
        legs=_ELSEWHERE,
        confidence=0.9,
    ),
    _hidden("escape", r"[\x1b\x{9b}]", legs=_DEFINITIONS, confidence=0.95),
    # Moving the cursor, erasing, links and titles, and concealed text: what a person sees is not what stands there.
    _hidden("terminal_control", r"(?:\x1b\[|\x{9b})[0-9;?]*[A-HJKSTXfhlsu]", legs=_ELSEWHERE, confidence=0.7),
    _hidden("terminal_string", r"\x1b[\]PX^_]", legs=_ELSEWHERE, confidence=0.8),
    _hidden("concealed", r"(?:\x1b\[|\x{9b})(?:[0-9]*;)*0*8(?:;[0-9]*)*m", legs=_ELSEWHERE, confidence=0.95),
    _hidden("comment", r"<!--", legs=_DEFINITIONS, confidence=0.8),
    _hidden(
        "comment_to_model", r"<!--(?s:[^>]*?)-->", trigger=r"<!--", legs=_ELSEWHERE, check=_addressed, confidence=0.6
    ),
)
