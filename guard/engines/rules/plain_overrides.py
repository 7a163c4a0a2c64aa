"""The plainest override of each language other than English, "ignore the previous instructions", and orders to conceal.

Other words for the same stand in `guard.engines.rules.languages`, further languages in `guard.engines.rules.further_languages`.
"""

from __future__ import annotations

import re

from guard.engines.rules.rule import Check, DetectionRule, gap, injection_rule

_INDONESIAN_NOT = re.compile(r"\bjangan(?:lah)?\s+$", re.IGNORECASE)


def _is_wanted_in_indonesian(value: str, before: str) -> bool:
    """Whether nothing turns the verb around: "jangan lupakan petunjuk di atas"."""
    return _INDONESIAN_NOT.search(before) is None


def _translated(id_: str, verbs: str, continuation: str, check: Check | None = None) -> DetectionRule:
    """A rule in another language: one of `verbs`, then `continuation`. The verbs alone are the trigger, as whole phrases of
    many languages would make the automaton too large."""
    return injection_rule(id_, rf"{verbs}{continuation}", trigger=verbs, check=check)


def _meant(value: str, before: str) -> bool:
    """Whether the phrase holds no negation: "Glem ikke reglerne" reminds a reader of the rules."""
    return re.search(r"\b(?:ikke|inte|aldri[gd]?)\b", value) is None


_NORDIC_RULES = r"(?:instruk(?:tion|ser|sjon|s\b)\pL*|anvisning\pL*|regl(?:er|ene)\pL*|retningslin\pL*|riktlin\pL*|ordre\pL*|kommando\pL*|direktiv\pL*|vejledning\pL*)"
_NORDIC_USER = r"(?:bruger|brukar|bruker|använda)\pL*"
RULES = (
    _translated(
        "nordic",
        r"\b(?:ignorér|ignorera|ignorer|glem(?:me?)?|glömma?|glöm|bortse(?: från| fra)?|se bort (?:fra|från)|strunta i|overse|tilsidesæt|tilsidesett|åsidosätt)",
        rf"{gap(3)}(?:tidligere|tidigare|forrige|förra|förut|foregående|föregående|forudgående|forutgående|ovenstående|ovanstående|ovennævnte|hidtidige|hittillsvarande|oprindelige|ursprungliga|opprinnelige|dine|dina|alle|alla|samtlige|samtliga){gap(3)}{_NORDIC_RULES}",
        check=_meant,
    ),
    _translated(
        "nordic_forget",
        r"\b(?:glem|glöm|ignorer|ignorera)",
        rf" (?:alt|allt|alt det|det)\b{gap(4)}(?:sagt|fortalt|berättat|fått|fået|lært|lärt|tidligere|tidigare|ovenfor|ovan|ovanför|før|innan|hidtil|hittills)\b",
    ),
    injection_rule(
        "nordic_conceal",
        rf"\b(?:fortæl|fortel|berätta|sig|säg|si|nævn|nämn|nevn|informer|informera|oplys|avslöja|afslør|avslør){gap(3)}(?:ikke|inte|intet|inget|ingenting|aldrig|aldri){gap(3)}(?:til |för |till |for )?{_NORDIC_USER}|\b(?:ikke|inte|aldrig|aldri) (?:fortell|si|nevn|informer|fortæl|sig|nævn|berätta|säg|nämn){gap(3)}{_NORDIC_USER}|\b(?:uden|utan|uten) (?:at|att|å) (?:spørge|fråga|spørre|fortælle|berätta|fortelle|informere|informera|oplyse|varsle){gap(2)}{_NORDIC_USER}",
        trigger=r"(?:bruger|brukar|bruker|använda)",
    ),
    injection_rule(
        "nordic_prompt",
        r"\b(?:vis|visa|afslør|avslöja|avslør|udskriv|skriv|gengiv|gentag|upprepa|gjenta|giv|gi|ge)[^\w.!?]+(?:\pL+[^\w.!?]+){0,4}system-?(?:prompt|instruk|meddel|besked)\pL*",
        trigger=r"\bsystem-?(?:prompt|instruk|meddel|besked)",
    ),
    _translated(
        "finnish",
        r"\b(?:unohda|sivuuta|ohita|jätä huomiotta|älä välitä)",
        rf"{gap(2)}(?:aiemm|aikaisemm|edelli|edeltäv|yllä olev|alkuperäi|kaik)\pL*{gap(2)}(?:ohje|käsky|sään|määräy|komen)\pL*",
    ),
    _translated(
        "polish",
        r"\b(?:zignoruj|ignoruj|zapomnij|pomiń)",
        rf"{gap(3)}(?:poprzedni|wcześniejsz|powyższ|dotychczasow|wszystki)\pL*{gap(2)}(?:instrukcj|poleceni|polecen|zasad|wytyczn|reguł)\pL*",
    ),
    _translated(
        "czech_slovak",
        r"\b(?:ignoruj\pL*|zapomeň\pL*|zabudni\pL*|nedbej\pL*|pomiň\pL*)",
        rf"{gap(3)}(?:předchoz|předešl|dosavadn|predchádzajúc|predošl|všech|všetk)\pL*{gap(2)}(?:instrukc|inštrukc|pokyn|příkaz|príkaz|pravid)\pL*",
    ),
    _translated(
        "romanian",
        r"\b(?:ignoră|ignorați|uită|uitați)",
        rf"{gap(3)}(?:instrucțiuni|reguli|indicați|comenzi)\pL*{gap(2)}(?:anterioare|precedente|inițiale|de mai sus)",
    ),
    injection_rule(
        "turkish",
        rf"\b(?:önceki|yukarıdaki|daha önceki){gap(1)}(?:talimat|komut|kural|yönerge)\pL*{gap(2)}(?:yok say|görmezden gel|unut|dikkate alma|boş ver)",
        trigger=r"(?:önceki|yukarıdaki)",
    ),
    _translated(
        "indonesian",
        r"\b(?:abaikan|lupakan)",
        rf"{gap(2)}(?:instruksi|perintah|aturan|petunjuk|arahan){gap(2)}(?:sebelumnya|terdahulu|di atas|sebelum ini)",
        check=_is_wanted_in_indonesian,
    ),
    _translated(
        "vietnamese",
        # With the blank: without accents, one of them is in "frequently".
        r"(?:bỏ qua|phớt lờ|quên)\s",
        r"\s*(?:\pL+\s+){0,3}(?:hướng dẫn|chỉ dẫn|chỉ thị|mệnh lệnh|lệnh|quy tắc)\s+(?:\pL+\s+){0,2}(?:trước|trên|ban đầu)",
    ),
    _translated(
        "ukrainian",
        r"(?:ігноруй|проігноруй|забудь|не зважай на)",
        r"\pL*\s+(?:\pL+\s+){0,3}(?:попередн|минул|колишн|вище)\pL*\s+(?:інструкц|вказівк|правил|команд)",
    ),
    _translated(
        "arabic",
        r"(?:تجاهل|تجاهلي|انس|انسى|إنس)",
        r"\s+(?:\pL+\s+){0,2}(?:تعليماتك|أوامرك|(?:التعليمات|الأوامر|القواعد|التوجيهات)(?:\s+\pL+)?\s+(?:السابقة|أعلاه|الأصلية))",
    ),
    injection_rule(
        "hindi",
        r"(?:पिछल|पूर्व|पहले|उपरोक्त|सभी)[\pL\pM]*\s+(?:[\pL\pM]+\s+){0,3}(?:निर्देश|आदेश|नियम)[\pL\pM]*\s+(?:[\pL\pM]+\s+){0,2}(?:अनदेखा|अनदेखी|नज़रअंदाज़|नजरअंदाज|भूल)",
        trigger=r"(?:निर्देश|आदेश|नियम)",
    ),
    injection_rule(
        "german",
        rf"\b(?:ignorier\w*|vergiss|vergesst|missachte\w*|überschreib\w*|übergeh\w*){gap(3)}(?:vorherig\w*|vorig\w*|bisherig\w*|früher\w*|obig\w*|deine\w*|alle){gap(2)}(?:anweisung\w*|instruktion\w*|regeln?|vorgaben?|befehle?|richtlinien?)",
    ),
    injection_rule("german_forget", rf"\bvergiss alles\b{gap(3)}(?:bisher|vorher|zuvor|oben|bis jetzt|gesagt|gelernt)"),
    injection_rule(
        "german_conceal",
        rf"\b(?:sage?|erzähle?|erwähne?|verrate?|informiere?|melde|zeige?){gap(3)}(?:benutzer|nutzer|anwender)\pL*{gap(3)}(?:nicht|nichts)\b|\bohne (?:den|die|dem) (?:benutzer|nutzer|anwender)\pL*{gap(1)}(?:zu )?(?:fragen|informieren|wissen)",
    ),
    injection_rule(
        "german_prompt", rf"\b(?:gib|zeige?|verrate?|nenne?|drucke?){gap(4)}system-?(?:prompts?|anweisung\w*)"
    ),
    injection_rule(
        "french",
        rf"\b(?:ignore[sz]?|ignorer|oublie[sz]?|oublier|néglige[sz]?|contourne[sz]?){gap(3)}(?:instructions?|consignes|règles|directives){gap(4)}(?:précédente?s?|antérieure?s?|ci-dessus|initiales?|données|système)",
    ),
    injection_rule(
        "french_yours",
        rf"\b(?:ignore[sz]?|ignorer|oublie[sz]?|oublier){gap(2)}(?:tes|vos){gap(2)}(?:instructions?|consignes|règles|directives)",
    ),
    injection_rule(
        "french_conceal",
        rf"\bne (?:(?:le|la|les|rien|pas|lui|en|jamais) |l['’])*(?:dis|dites|dire|mentionne[sz]?|révèle[sz]?|informe[sz]?|préviens)\b{gap(3)}(?:l['’])?utilisat(?:eur|rice)|\bsans (?:le dire|demander|prévenir|informer){gap(2)}utilisat",
    ),
    injection_rule(
        "french_prompt",
        rf"\b(?:affiche[sz]?|montre[sz]?|révèle[sz]?|donne[sz]?){gap(4)}(?:prompt|invite|instructions) (?:du )?syst",
    ),
    injection_rule(
        "spanish",
        rf"\b(?:ignor(?:a|e|en|ar)|olvid(?:a|e|en|ar)|descart(?:a|e|en)|desatiend[ae]){gap(3)}(?:instrucciones|reglas|indicaciones|órdenes|directrices){gap(2)}(?:anterior\w*|previ[ao]s|originales|iniciales|dadas)",
    ),
    injection_rule(
        "spanish_yours",
        rf"\b(?:ignor(?:a|e|en)|olvid(?:a|e|en)){gap(2)}tus{gap(2)}(?:instrucciones|reglas|indicaciones|directrices)",
    ),
    injection_rule("spanish_forget", rf"\bolvid(?:a|e|en) (?:todo )?lo que{gap(4)}(?:dij\w*|dich\w*|usuario|antes)"),
    injection_rule(
        "spanish_conceal",
        rf"\bno (?:se lo |le |lo )?(?:digas?|menciones?|informes?|reveles?|avises?)\b{gap(3)}(?:usuari[oa]|nadie)|\bsin (?:avisar|informar|decir|preguntar){gap(3)}usuari",
    ),
    injection_rule(
        "spanish_prompt", rf"\b(?:muestra|muéstrame|revela|imprime|dime){gap(4)}prompt (?:del |de )?sistema"
    ),
    injection_rule(
        "italian",
        rf"\b(?:ignora|ignorate|dimentica|dimenticate){gap(3)}(?:istruzioni|regole|indicazioni){gap(1)}(?:precedenti|originali|iniziali|ricevute)",
    ),
    injection_rule(
        "portuguese",
        rf"\b(?:ignore|ignora|esqueça|desconsidere){gap(3)}(?:instruções|regras|orientações){gap(1)}(?:anteriores|prévias|originais)",
    ),
    injection_rule(
        "dutch",
        rf"\b(?:negeer|vergeet){gap(3)}(?:vorige|eerdere|voorgaande|bovenstaande){gap(1)}(?:instructies|regels|opdrachten)",
    ),
    injection_rule(
        "russian",
        r"(?:игнорируй|проигнорируй|забудь|не обращай внимания на)\pL*\s+(?:\pL+\s+){0,3}(?:предыдущ|прошл|прежн|выше)\pL*\s+(?:инструкц|указан|правил|команд)",
    ),
    injection_rule(
        "chinese",
        r"(?:忽略|无视|無視|忘记|忘記|不要理会)(?:\pL|，){0,6}(?:之前|以前|以上|先前|前面|上述|所有)(?:\pL){0,6}(?:指令|指示|规则|規則|提示|说明)",
        trigger=r"(?:忽略|无视|無視|忘记|忘記|不要理会)",
    ),
    injection_rule(
        "japanese",
        r"(?:以前|これまで|前|上記)の(?:すべての|全ての)?(?:指示|命令|ルール|プロンプト)を(?:すべて|全て)?(?:無視|忘れ)",
    ),
    injection_rule("korean", r"(?:이전의?|위의|앞의)\s*(?:모든\s*)?(?:지시|명령|규칙)\pL*\s*(?:모두\s*)?(?:무시|잊)"),
)
