"""Overrides in other words than "ignore the previous instructions", by language: "forget everything above", "pay no attention to".

The plainest override of each language stands in `guard.engines.rules.plain_overrides`. tests/guard/engines/rules/test_languages.py
has the sentences that each claimed language is held to.
"""

from __future__ import annotations

import re
from typing import Final

from guard.engines.rules.contexts import is_order
from guard.engines.rules.rule import DetectionRule, gap
from guard.inspect.verdict import Category

_RULES_DE = r"(?:anweisung\w*|instruktion\w*|regeln?|vorgaben?|befehle?|richtlinien?)"
_RULES_FR = r"(?:instructions?|consignes?|règles?|directives?)"
_RULES_ES = r"(?:instrucci\w+|reglas?|indicaci\w+|órdenes)"
_RULES_IT = r"(?:istruzioni|regole|indicazioni)"
_RULES_PT = r"(?:instruções|regras|orientações)"
_RULES_NL = r"(?:instructies|regels|opdrachten)"
_RULES_NORDIC = r"(?:instruk(?:s|tion|sjon)|anvisning|regl|regel|ordre|kommando|direktiv|oppgave|opgave)\pL*"

_OVERRIDES: Final = {
    "english": r"\b(?:forget|disregard|ignore) (?:everything|all)(?: of)?(?: (?:the|this|that|text|is|was|written|said|came|stands))* (?:above|before this(?: \w+)?)(?:[,;:!\n]|[.]\s|[.]?$| and\b)|\b(?:forget|disregard|ignore)(?: all| everything)?,? (?:of )?(?:what|whatever|everything|all|that)(?: that)? you (?:were|have been|['’]ve been|had been) (?:previously |originally )?(?:told|instructed|asked to do|given)\b",
    "german": rf"\b(?:beachte\w*|befolge\w*|berücksichtige\w*|folge)\b{gap(3)}(?:vorherig|vorig|bisherig|früher|obig|vorangegangen)\w*{gap(1)}{_RULES_DE}{gap(1)}nicht\b|\b(?:ignorier\w*|vergiss|vergesst|vergessen sie){gap(1)}(?:alles|das|den text|was){gap(4)}(?:oben|obige\w*|darüber|bisher\w*|vorher\w*|davor|zuvor)\b",
    "french": rf"\bne (?:tiens|tenez|tenir) (?:(?:plus|pas|aucun|aucunement) )+compte (?:de (?:tout )?ce qui|des?{gap(2)}{_RULES_FR})|\b(?:ignore[sz]?|oublie[sz]?|ignorer|oublier) (?:tout )?(?:de )?ce qui{gap(4)}(?:plus haut|ci-dessus|avant|précède|précédemment|jusqu['’]ici)",
    "spanish": rf"\bhaz caso omiso (?:de|a) (?:todo|lo anterior|lo que|(?:las?|tus){gap(1)}{_RULES_ES})|\bhagan? caso omiso (?:de|a){gap(2)}{_RULES_ES}|\bno (?:tengas|tenga|tengan) en cuenta (?:lo anterior|nada|(?:las?|tus){gap(1)}{_RULES_ES})|\b(?:ignor(?:a|e|en)|olvid(?:a|e|en)) (?:todo )?lo (?:anterior|de arriba|que{gap(3)}(?:antes|anteriormente|arriba|pidieron|pidió|dijeron))",
    "italian": rf"\bdimentica(?:te)? (?:tutto )?(?:quello|ciò|quanto)(?: che)?{gap(5)}(?:prima|sopra|precedenza|finora)\b|\bnon (?:tenere|tenete|tieni) conto (?:di|delle|dei){gap(2)}(?:{_RULES_IT}|sopra|precede)|\bignora(?:te)? (?:tutto )?(?:quanto|quello|ciò|tutto)(?: che)?{gap(2)}(?:sopra|precede|precedenza|prima)\b",
    "portuguese": rf"\b(?:esqueça|esquece|ignore|ignora|desconsidere|desconsidera) tudo (?:o que|que|o que está){gap(4)}(?:antes|acima|anteriormente|até agora)\b|\bnão (?:leve|leves|tenha|tenhas) em (?:conta|consideração){gap(1)}{_RULES_PT}",
    "dutch": rf"\b(?:negeer|vergeet) (?:alles|al het|de tekst|wat){gap(3)}(?:hierboven|boven|hiervoor|eerder|tot nu toe)\b|\bhoud{gap(1)}geen rekening met{gap(2)}(?:eerdere|vorige|voorgaande|bovenstaande){gap(1)}{_RULES_NL}",
    "nordic": rf"\b(?:glem|glöm|ignorer|ignorera|se bort fra|se bort från|bortse från|bortse fra){gap(3)}(?:{_RULES_NORDIC}{gap(1)}(?:ovenfor|ovanför|ovan|over|herover)\b|(?:tidligere|tidigare|forrige|foregående|föregående){gap(1)}{_RULES_NORDIC})|\b(?:glem|glöm|ignorer|ignorera) (?:alt|allt) (?:det )?(?:ovenfor|ovan|ovanför|over|herover)\b",
    "finnish": rf"\b(?:unohda|unohtakaa|ohita) kaikki{gap(1)}(?:edellä|yllä|aiemmin|tähän asti)",
    "polish": rf"\bnie zwracaj(?:cie)? uwagi na{gap(2)}(?:poprzedni|wcześniejsz|powyższ)\pL*{gap(1)}(?:instrukcj|poleceni|zasad|wytyczn|reguł)\pL*|\bzapomnij(?:cie)? o wszystkim{gap(3)}(?:powyżej|wcześniej|wyżej|przedtem)",
    "russian": r"(?:игнорируй|проигнорируй|забудь)(?:те)?\s+вс[её](?:,?\s+\pL+){0,4}\s+(?:выше|ранее|раньше|до этого)",
    "ukrainian": r"(?:ігноруй|проігноруй|забудь)(?:те)?\s+(?:усе|все)(?:,?\s+\pL+){0,4}\s+(?:вище|раніше)",
    "turkish": rf"(?:yukarıdaki|önceki) (?:her şey|tüm|bütün)\pL*{gap(2)}(?:unut|yok say|görmezden gel|dikkate alma|boş ver)",
    "chinese": r"(?:忽略|无视|無視|忘记|忘記|不要理会|忽视)(?:\pL|，){0,6}(?:所有|全部|一切)(?:的)?(?:内容|內容|文字|对话|對話|要求|任务|任務)",
    "japanese": r"(?:以前|これまで|今まで|前|上記|上)の(?:\pL){0,5}(?:指示|命令|指令|ルール|プロンプト)(?:は|を)(?:\pL){0,4}(?:無視|忘れ)|(?:以前|これまで|今まで|上記|上)の(?:\pL){0,5}(?:内容|会話|文章)(?:は|を)(?:すべて|全て|全部)(?:無視|忘れ)",
    "korean": r"(?:이전|위|앞)(?:의|에)?\s*(?:모든\s*)?(?:지시|명령|규칙|지침|프롬프트)\pL*\s*(?:모두\s*|전부\s*)?(?:무시|잊)|(?:이전|위|앞)(?:의|에)?\s*(?:모든\s*)?(?:내용|대화)\pL*\s*(?:모두|전부|다)\s*(?:무시|잊)",
    "arabic": r"(?:تجاهل|تجاهلي|انس|انسى)\s+(?:كل|جميع)\s+ما\s+(?:سبق|ورد|قيل)|لا\s+تتبع\s+(?:\pL+\s+)?(?:الأوامر|التعليمات|القواعد)\s+(?:السابقة|أعلاه)",
    "hindi": r"(?:ऊपर|पहले)(?:\s+[\pL\pM]+){0,2}\s+(?:सभी|सब|सारी)\s+(?:[\pL\pM]+\s+){0,2}(?:भूल|अनदेखा|अनदेखी|नज़रअंदाज़)",
}

#: Verbs of each language without which nothing matches: whole sentences of many languages would make the automaton too large.
_TRIGGERS: Final = {
    "english": r"\b(?:forget|disregard|ignore)\b",
    "german": r"\b(?:beachte|befolge|berücksichtige|folge|ignorier|vergiss|vergesst|vergessen sie)",
    "french": r"\b(?:ne (?:tiens|tenez|tenir)|ignore[sz]?|oublie[sz]?|ignorer|oublier) ",
    "spanish": r"\bcaso omiso|\ben cuenta|\b(?:ignor|olvid)(?:a|e|en) ",
    "italian": r"\b(?:dimentica|conto|ignora)(?:te)? ",
    "portuguese": r"\b(?:esqueça|esquece|ignore|ignora|desconsidere|desconsidera) tudo|\bem (?:conta|consideração)",
    "dutch": r"\b(?:negeer|vergeet|rekening) ",
    "nordic": r"\b(?:glem|glöm|ignorer|ignorera|se bort|bortse) ",
    "finnish": r"\b(?:unohda|unohtakaa|ohita) ",
    "polish": r"\b(?:uwagi na|zapomnij)",
    "russian": r"(?:игнорируй|забудь)",
    "ukrainian": r"(?:ігноруй|забудь)",
    "turkish": r"(?:yukarıdaki|önceki) ",
    "chinese": r"(?:忽略|无视|無視|忘记|忘記|不要理会|忽视)",
    "japanese": r"(?:無視|忘れ)",
    "korean": r"(?:무시|잊)",
    "arabic": r"(?:تجاهل|انس|تتبع)",
    "hindi": r"(?:भूल|अनदेखा|अनदेखी|नज़रअंदाज़)",
}

_NEGATED = re.compile(r"\b(?:ikke|inte|aldri[gd]?|nicht|nie)\b", re.IGNORECASE)


def _meant(value: str, before: str) -> bool:
    """Whether nothing turns the verb around: "vergiss nicht, was oben steht", "ikke glem reglene ovenfor"."""
    word = before.rstrip().rpartition(" ")[2]
    return _NEGATED.search(f"{word} {value.removesuffix('nicht')}") is None


RULES = tuple(
    DetectionRule(
        f"injection.{language}_override",
        Category.INJECTION,
        pattern,
        trigger=_TRIGGERS[language],
        check=_meant if language in ("german", "nordic") else None,
        context=is_order if language == "english" else None,
    )
    for language, pattern in _OVERRIDES.items()
)
