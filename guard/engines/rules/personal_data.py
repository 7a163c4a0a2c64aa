"""Rules for personal data that can be verified: payment cards (ISO/IEC 7812, Luhn), IBAN (ISO 13616, mod 97), and US
social security numbers beside words that name them.

E-mail addresses, telephone numbers and names are left out on purpose: nearly every ticket, commit and calendar holds
them, and users would switch off a rule that blocks all of those within a day.
"""

from __future__ import annotations

import re
import string

from guard.engines.rules.rule import DetectionRule
from guard.inspect.verdict import Category

_CARD_WORDS = re.compile(
    r"(?i)card|visa|master|amex|american express|credit|debit|payment|\bpan\b|\bcc\b|karte|carte|tarjeta"
)
_GROUPED = re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5}")
#: Lengths by country (SWIFT IBAN registry); other countries have no IBAN.
_IBAN = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FO FI GL NL",
        19: "MK SI",
        20: "AT BA EE KZ LT LU",
        21: "CH HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA",
        23: "AE GI IL TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "PT",
        26: "IS TR",
        27: "FR GR IT MC SM",
        28: "AL AZ CY DO GT HU LB PL",
        29: "BR EG QA UA",
        30: "JO KW MU",
        31: "MT",
    }.items()
    for country in countries.split()
}

_DIGITS = {ord(letter): str(number) for number, letter in enumerate(string.ascii_uppercase, 10)}


def _luhn(digits: str) -> bool:
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = int(char) * (1 + position % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def card(value: str, before: str) -> bool:
    """Luhn holds, and the number is grouped or a word for a card is near: one in ten numbers satisfies Luhn by chance."""
    digits = value.replace(" ", "").replace("-", "")
    if before[-1:].isalnum() or before[-1:] in ("-", ".", "_") or len(set(digits)) < 2 or not _luhn(digits):
        return False
    return _GROUPED.fullmatch(value) is not None or _CARD_WORDS.search(before) is not None


def iban(value: str, before: str) -> bool:
    plain = value.replace(" ", "").upper()
    if _IBAN.get(plain[:2]) != len(plain):
        return False
    return int((plain[4:] + plain[:4]).translate(_DIGITS)) % 97 == 1


def social_security(value: str, before: str) -> bool:
    """Any number but those that the SSA never issues (area 000, 666, 900 and up; group 00; serial 0000)."""
    area, group, serial = re.split(r"[ -]", value)
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


_IBAN_PARTS = "|".join(
    rf"(?:{'|'.join(c for c in sorted(_IBAN) if _IBAN[c] == length)})[0-9]{{2}}"
    + " ?[A-Z0-9]{4}" * ((length - 4) // 4)
    + (f" ?[A-Z0-9]{{{(length - 4) % 4}}}" if (length - 4) % 4 else "")
    for length in sorted(set(_IBAN.values()))
)

RULES = (
    DetectionRule(
        "pii.card",
        Category.PERSONAL_DATA,
        r"\b(?:[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}|3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}"
        r"|3[068][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{4})\b",
        trigger=r"\b[2-6][0-9]{3}[ -]?[0-9]{4}",
        check=card,
        confidence=0.9,
    ),
    DetectionRule(
        "pii.iban",
        Category.PERSONAL_DATA,
        rf"\b(?:{_IBAN_PARTS})\b",
        trigger=r"\b[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",
        check=iban,
        confidence=0.95,
    ),
    DetectionRule(
        "pii.us_ssn",
        Category.PERSONAL_DATA,
        r"(?:\bssn\b|social security)[^0-9]{0,40}?\b([0-9]{3}[- ][0-9]{2}[- ][0-9]{4})\b",
        trigger=r"\bssn\b|social security",
        group=1,
        check=social_security,
        confidence=0.9,
    ),
)
