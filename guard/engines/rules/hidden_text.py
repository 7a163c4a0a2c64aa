"""Rules for text that a person does not see and a model reads.

Sources: Unicode Technical Standard 39 and UAX 9 (bidi controls), UTS 51 (the only use of tag characters is a flag of a
region), ECMA-48 (escape sequences). A definition has no reason to hold anything invisible. Elsewhere terminal colours,
progress bars, joiners of emoji and of Arabic or Indic scripts, and single zero-width spaces from web pages are ordinary.
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
#: One that says "you" speaks to people as a rule: every template of an issue does.
_NAMES_AI = r"\b(?:assistant|agents?|ai|llm|language model|chatbot|claude|chatgpt|gpt|copilot|gemini|the user)\b"
#: "Not run here" describes; "do not run" and "must not run" are found by their first words.
_WANTS = (
    r"\b(?:do not|don['’]t|never|must|should|shall|wants?|(?<!\bnot )(?:send|forward|e-?mail|post|reply|respond|answer|call|run|execute|read|reveal|print|output|include"
    r"|append|say|tell|approve|reject|rate|recommend|click|visit|fetch|download|upload|open|use|delete|write|act|pretend|obey|follow|summari[sz]e|treat"
    r"|ignore|disregard|override|forget))\b"
)
_OVERRIDES = r"\b(?:ignore|disregard|override|forget)\b.{0,60}\b(?:instructions?|previous|prior|above|earlier|rules|prompts?|everything|guidelines)\b|\bdo not tell\b|\byou must\b"
_MODEL = r"(?:assistants?|agents?|ais?|llms?|language models?|chatbots?|claude|chatgpt|gpt|copilot|gemini)"
#: Words that give a model an order, beside words that speak of one: "AI generated" and "prettier-ignore" are ordinary.
_ORDERS = re.compile(
    rf"\b{_MODEL}\b[^\w.!?]*(?:reading this|who reads? this)?\W*(?::|,|\bmust\b|\bshould\b|\bshall\b|\bplease\b|\bare to\b|\bneed to\b|\byou\b)"
    r".*?\b(?:send|e-?mail|forward|post|upload|call|invoke|execute|run|reveal|include|approve|delete|transfer|override|ignore|"
    r"disregard|read|fetch|open|exfiltrate|write|print|output|reply|answer|append|add|use|visit)\b"
    r"|\b(?:ignore|disregard|override|bypass|forget)\b.{0,40}?\b(?:previous|prior|above|all|earlier|instructions?|rules|system|everything)\b"
    r"|\b(?:do not|don['\u2019]t|never|must not)\s+(?:tell|mention|inform|reveal|disclose)\b|\bwithout (?:telling|asking|informing)\b"
    r"|\buser\b.{0,20}?\b(?:must|should|may|need) not\b",
    re.IGNORECASE | re.DOTALL,
)
#: Commands to a terminal that set titles, links, colours, progress and marks (ECMA-48 OSC), with the longest text of each.
_PLAIN_STRINGS = {"0": 200, "1": 200, "2": 200, "7": 400, "8": 2048, "9": 200, "10": 40, "11": 40, "12": 40, "104": 40,
                  "110": 40, "111": 40, "112": 40, "133": 200, "633": 400}  # fmt: skip
_SGR = re.compile("(?:\x1b\\[|\x9b)([0-9;:]*)m")
_ESCAPES = re.compile("(?:\x1b\\[|\x9b)[0-9;:?]*[A-Za-z]")
#: Words of concealed text from which on it says something; a log that shows the style has fewer.
_CONCEALED_WORDS = 3


def _stray_tags(value: str, before: str) -> bool:
    """Whether tag characters spell no flag: no black flag before them, no end, or longer than a region's name."""
    return not (before.endswith(_FLAG_BASE) and value.endswith("\U000e007f") and len(value) <= 7)


def _inner_mark(value: str, before: str) -> bool:
    """Any but a byte order mark at the very beginning, which is ordinary."""
    return value != "\ufeff" or bool(before)


_AI, _WANT, _OVERRIDE = (re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in (_NAMES_AI, _WANTS, _OVERRIDES))


def _addressed(value: str, before: str) -> bool:
    return bool((_AI.search(value) and _WANT.search(value)) or _OVERRIDE.search(value))


def _orders(value: str, before: str) -> bool:
    return _ORDERS.search(value) is not None or _addressed(value, before)


def _strange_string(value: str, before: str) -> bool:
    """Any string to a terminal but a short title, link, progress or mark: others hide text, or write to the clipboard."""
    if not value.startswith("\x1b]"):
        return True
    number, _, text = value[2:].partition(";")
    return len(text) > _PLAIN_STRINGS.get(number, -1) or (number == "8" and any(char.isspace() for char in text))


def _conceals(parameters: str) -> bool | None:
    """Whether a colour sequence conceals, reveals or leaves as it is; an 8 may also be part of a colour's number."""
    concealed = None
    numbers = iter(parameters.replace(":", ";").split(";"))
    for number in numbers:
        if number in ("38", "48", "58"):
            for _ in range({"5": 1, "2": 3}.get(next(numbers, ""), 0)):
                next(numbers, None)
        elif number.lstrip("0") == "8":
            concealed = True
        elif number.lstrip("0") in ("", "28"):
            concealed = False
    return concealed


def _concealed_prose(value: str, before: str) -> bool:
    """Whether the text between concealing and revealing has several words."""
    concealed, position, words = False, 0, 0
    for match in _SGR.finditer(value):
        if concealed:
            words += len(_ESCAPES.sub("", value[position : match.start()]).split())
        state = _conceals(match[1])
        concealed, position = (concealed if state is None else state), match.end()
    return words + (len(_ESCAPES.sub("", value[position:]).split()) if concealed else 0) >= _CONCEALED_WORDS


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
    # A question to a person must look like what it says. A log of a terminal holds progress bars, titles and links.
    _hidden(
        "terminal_control",
        r"(?:\x1b\[|\x{9b})[0-9;?]*[A-HJKSTXfhlsu]|\x1b\]",
        legs=frozenset((Leg.SERVER_REQUESTS,)),
        confidence=0.7,
    ),
    _hidden(
        "terminal_string",
        r"\x1b\][^\x07\x1b]*|\x1b[PX^_]",
        trigger=r"\x1b[\]PX^_]",
        legs=_ELSEWHERE,
        check=_strange_string,
        confidence=0.8,
    ),
    _hidden(
        "concealed",
        r"(?:\x1b\[|\x{9b})(?:[0-9]*[;:])*0*8(?:[;:][0-9]*)*m(?s:.{0,600})",
        trigger=r"(?:\x1b\[|\x{9b})[0-9;:]*8[0-9;:]*m",
        legs=_ELSEWHERE,
        check=_concealed_prose,
        confidence=0.95,
    ),
    _hidden("comment", r"<!--", legs=_DEFINITIONS, confidence=0.8),
    _hidden("comment_to_model", r"<!--(?s:[^>]*?)-->", trigger=r"<!--", legs=_ELSEWHERE, check=_orders, confidence=0.6),
)
