"""Personal data whose form proves itself: check digits, or a name beside the number. Not e-mail addresses and names: tools
are full of them, and a rule that always fires is one that is switched off."""

from __future__ import annotations

import re

from guard.engines.rules.rule import Rule
from guard.verdict import Category

_P = Category.PERSONAL_DATA
#: Length of an IBAN by country (SWIFT's registry), for the most common ones; others between 15 and 34.
_IBAN = {"AT": 20, "BE": 16, "CH": 21, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "IE": 22, "IT": 27, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "SE": 24}  # fmt: skip


def luhn(digits: str) -> bool:
    """ISO/IEC 7812 check digit."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        number = int(char) * (2 if place % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _card(matched: str) -> bool:
    digits = re.sub(r"\D", "", matched)
    return 13 <= len(digits) <= 19 and len(set(digits)) > 3 and luhn(digits)


def _iban(matched: str) -> bool:
    text = re.sub(r"\s", "", matched).upper()
    if len(text) != _IBAN.get(text[:2], len(text)) or not 15 <= len(text) <= 34:
        return False
    number = "".join(str(int(char, 36)) for char in text[4:] + text[:4])
    return int(number) % 97 == 1


RULES = (
    Rule("payment-card", _P, r"\b(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|3[47]\d{2}|6(?:011|5\d{2}))(?:[ -]?\d{4}){2}[ -]?\d{1,7}\b|\b3[47]\d{2}[ -]?\d{6}[ -]?\d{5}\b", check=_card, certain=True),
    Rule("iban", _P, r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", check=_iban, certain=True),
    Rule("social-security", _P, r"\b(?:ssn|social security(?: (?:number|no\.?))?)\b[^\d\n]{0,20}\d{3}-\d{2}-\d{4}\b", certain=True),
    Rule("national-id", _P, r"\b(?:fødselsnummer|personnummer|national id(?:entity)?(?: number)?|passport (?:number|no\.?))\b[^\dA-Z\n]{0,12}(?-i:[A-Z]{0,2}\d{6,12}(?:-\d{4,5})?)\b", certain=True),
)  # fmt: skip
