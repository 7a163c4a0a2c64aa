"""Rules for personal data that can be verified: payment cards (ISO/IEC 7812, Luhn), IBAN (ISO 13616, mod 97), and US
social security numbers beside words that name them.

Numbers that card networks, payment services and registries publish for tests and documentation are nobody's.

E-mail addresses, telephone numbers and names are left out on purpose: nearly every ticket, commit and calendar holds
them, and users would switch off a rule that blocks all of those within a day.
"""

from __future__ import annotations

import re
import string

from guard.engines.rules.rule import DetectionRule, members
from guard.inspect.card_numbers import luhn
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


#: Test cards of Stripe, Adyen, Braintree, PayPal and the networks; Stripe's others begin with 40000.
_TEST_CARDS = members(
    "4242424242424242 4111111111111111 4012888888881881 4222222222222 4222222222222220 4000056655665556 4917610000000000 "
    "4263982640269299 4539570491134455 4444333322221111 4917300800000000 4009348888881881 4012000033330026 4012000077777777 "
    "4217651111111119 4500600000000061 5555555555554444 5200828282828210 5105105105105100 5454545454545454 5555341244441115 "
    "5431111111111111 5425233430109903 2223003122003222 2222400070000005 2222420000001113 2223000048400011 5577000055770004 "
    "6011111111111117 6011000990139424 6011000400000000 6011981111111113 6759649826438453 6304000000000000 3056930009020004 "
    "30569309025904 38520000023237 36227206271667 36259600000004 3566002020360505 3530111333300000 3569990010095841 "
    "6200000000000005 6205500000000000004 378282246310005 371449635398431 378734493671000 370000000000002 371111111111114"
)
_TEST_PREFIX = re.compile(r"40000[0-9]{3}0000[0-9]{4}|400000[0-9]{10}")
#: Examples of the IBAN registry (SWIFT) and of Wikipedia's article, which documentation repeats.
_EXAMPLE_IBANS = members(
    "AT611904300234573201 BE68539007547034 BE71096123456769 CH9300762011623852957 CZ6508000000192000145399 "
    "DE89370400440532013000 DE75512108001245126199 DK5000400440116243 EE382200221020145685 ES9121000418450200051332 "
    "ES7921000813610123456789 FI2112345600000785 FR1420041010050500013M02606 FR7630006000011234567890189 "
    "GB29NWBK60161331926819 GB82WEST12345698765432 GB33BUKB20201555555555 GR1601101250000000012300695 "
    "HR1210010051863000160 HU42117730161111101800000000 IE29AIBK93115212345678 IE64IRCE92050112345678 "
    "IL620108000000099999999 IT60X0542811101000000123456 LT121000011101001000 LU280019400644750000 "
    "LV80BANK0000435195001 NL91ABNA0417164300 NL02ABNA0123456789 NO9386011117947 NO8330001234567 "
    "PL61109010140000071219812874 PL10105000997603123456789123 PT50000201231234567890154 RO49AAAA1B31007593840000 "
    "SE4550000000058398257466 SE3550000000054910000003 SI56263300012039086 SK3112000000198742637541 TR330006100519786457841326 "
    "UA213223130000026007233566001 SA0380000000608010167519 AE070331234567890123456"
)
#: Printed on a card sold with wallets in 1938, and the digits in order.
_VOID_NUMBERS = frozenset(("078051120", "123456789"))


def card(value: str, before: str) -> bool:
    """Luhn holds, and the number is grouped or a word for a card is near: one in ten numbers satisfies Luhn by chance."""
    digits = value.replace(" ", "").replace("-", "")
    if digits in _TEST_CARDS or _TEST_PREFIX.fullmatch(digits):
        return False
    if before[-1:].isalnum() or before[-1:] in ("-", ".", "_") or len(set(digits)) < 2 or not luhn(digits):
        return False
    return _GROUPED.fullmatch(value) is not None or _CARD_WORDS.search(before) is not None


def iban(value: str, before: str) -> bool:
    plain = value.replace(" ", "").upper()
    if _IBAN.get(plain[:2]) != len(plain) or plain in _EXAMPLE_IBANS:
        return False
    return int((plain[4:] + plain[:4]).translate(_DIGITS)) % 97 == 1


def social_security(value: str, before: str) -> bool:
    """Any number but those that the SSA never issues (area 000, 666, 900 and up; group 00; serial 0000)."""
    area, group, serial = re.split(r"[ -]", value)
    if area + group + serial in _VOID_NUMBERS:
        return False
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
        r"|3[068][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{4}|(?:5[06-9]|6[0-9])[0-9]{15,17})\b",
        # Longer than two years: "2005-2015" stands in every licence.
        trigger=r"\b[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{2}",
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
