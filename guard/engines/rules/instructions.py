"""Text that talks to the model instead of its user: overrides, jailbreaks, prompt theft, poisoned definitions.

Phrases, not meaning: whoever paraphrases gets through (docs/detection.md has the figures). Sources of the forms: OWASP LLM01,
Invariant Labs' tool poisoning notes, the chat templates of the common model families.
"""

from __future__ import annotations

from guard.engines.rules.rule import ALL, READ, Check, Rule, gap
from guard.verdict import Category, Leg

_DEFINITIONS = frozenset((Leg.DEFINITIONS,))
_AI = r"(?:ai(?: (?:assistants?|agents?|models?|systems?))?|(?:large )?language models?|llms?|chatbots?|assistants?|agents?|bots?|claude|chatgpt|gpt|gemini|copilot)"
_IGNORE = r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|overrid(?:e|es|ing)|bypass|neglect|overlook)\b"
_RULES = r"(?:instructions?|prompts?|guidelines?|guidance|directions?|directives?|constraints?|programming|safety rules|rules)\b"
_USER = r"(?:user|human|operator|person|people)s?\b"
_TAKE = r"\b(?:send|forward|post|upload|e-?mail|transmit|exfiltrate|leak|append|attach|include|pass|copy|read|share|hand over)\b"
_LOOT = (
    r"(?:(?:full|entire|complete|whole) (?:conversation|chat|message|context)|(?:conversation|chat) (?:history|log)|environment variables?|"
    r"env vars|system prompt|ssh keys?|private (?:ssh )?keys?|credentials|passwords|api keys|id_rsa|~/\.ssh|\.aws/credentials|/etc/passwd|\.env\b)"
)


def _injection(id_: str, pattern: str, *, legs: frozenset[Leg] = ALL, confidence: float = 0.8, **more: object) -> Rule:
    return Rule(f"injection.{id_}", Category.INJECTION, pattern, legs=legs, confidence=confidence, **more)  # type: ignore[arg-type]


def _jailbreak(id_: str, pattern: str, *, confidence: float = 0.8, **more: object) -> Rule:
    return Rule(f"jailbreak.{id_}", Category.JAILBREAK, pattern, confidence=confidence, **more)  # type: ignore[arg-type]


def _poison(id_: str, pattern: str, *, confidence: float = 0.8, **more: object) -> Rule:
    return Rule(
        f"poisoning.{id_}",
        Category.TOOL_POISONING,
        pattern,
        legs=_DEFINITIONS,
        confidence=confidence,
        **more,  # type: ignore[arg-type]
    )


_ENGLISH = (
    _injection(
        "override",
        rf"{_IGNORE}{gap(3)}(?:previous|prior|earlier|above|preceding|foregoing|initial|original|existing)\b{gap(2)}{_RULES}",
    ),
    _injection("override_all", rf"{_IGNORE}[^\w.!?]+(?:all|any|every)\b{gap(2)}{_RULES}"),
    _injection("override_your", rf"{_IGNORE}{gap(2)}your\b{gap(2)}{_RULES}"),
    _injection(
        "forget", rf"\bforget{gap(0)}(?:everything|all|anything){gap(2)}(?:you\b|above|before|prior|previous|told)"
    ),
    _injection(
        "against_user",
        rf"{_IGNORE}{gap(1)}(?:user|system|developer)(?:['’]s)?[^\w.!?]+(?:request|prompt|message|instructions?|question|wishes|query)\b",
    ),
    _injection(
        "superseded",
        r"\bsupersedes?[^\w.!?]+(?:all |any )?(?:of )?(?:your|the) (?:previous|earlier|prior)|\b(?:previous|earlier|prior) (?:task|instruction|request|order|prompt)s? (?:is|are|was|were|has been|have been) (?:now )?(?:cancell?ed|void|revoked|superseded|obsolete|replaced)",
    ),
    _injection(
        "new_task",
        r"\b(?:your|the) (?:new|real|actual|true|only) (?:task|goal|objective|instructions?|mission|purpose|role) (?:is|are)\b|\bnew (?:instructions?|directives?|orders?)\s*:",
    ),
    _injection(
        "to_model",
        rf"\b(?:(?:if|when) you are|as) an? {_AI}\b{gap(1)}(?:reading|processing|parsing|summari[sz]ing|viewing|analy[sz]ing)\b",
    ),
    _injection(
        "note_to_model",
        rf"\b(?:note|notice|message|attention|important|reminder|directive|dear)\b{gap(2)}{_AI}\b(?:[^\w.!?]*[:,]|[^\w.!?]+(?:reading|processing|that reads)\b)",
        legs=READ,
        confidence=0.7,
    ),
    _injection(
        "imperative",
        rf"(?:^|[\n.:>*#(!\[-])\s*{_AI}\s*[:,]\s*(?:please\s+|now\s+|you must\s+|after reading,?\s+|first\s+)?(?:ignore|disregard|override|send|post|call|forward|delete|upload|open|run|execute|email|add|do not|don['’]t|never|reveal|approve)\b",
        legs=READ | _DEFINITIONS,
        confidence=0.7,
    ),
    _injection(
        "must",
        r"\b(?:the )?(?:assistant|ai|model|llm|agent) (?:must|should|has to|shall) (?:now |then |first |immediately |always )?(?:call|send|forward|upload|execute|run|invoke|post|email|delete|fetch)\b",
        legs=READ,
        confidence=0.6,
    ),
    _injection(
        "conceal",
        rf"\b(?:do not|don['’]t|never|must not|should not|shouldn['’]t)[^\w.!?]+(?:\w+[^\w.!?]+)?(?:tell|inform|mention|notify|reveal|alert|warn|disclose){gap(4)}(?:the |your |any )?{_USER}",
        legs=READ | {Leg.ARGUMENTS},
        confidence=0.7,
    ),
    _injection(
        "conceal_itself",
        r"\b(?:do not|don['’]t|never) (?:mention|quote|repeat|reveal) this (?:comment|instruction|line|message|note|paragraph|section|sentence|text)\b",
        legs=READ,
        confidence=0.6,
    ),
    _injection(
        "unasked",
        rf"\bwithout (?:asking|telling|informing|notifying|alerting|confirmation from)[^\w.!?]+(?:the |your )?(?:{_USER}|for (?:confirmation|permission|approval)|anyone)",
        legs=READ,
        confidence=0.6,
    ),
    _injection(
        "loot",
        rf"{_TAKE}{gap(6)}(?:(?:your |the )?system prompt|(?:full|entire|complete|whole) (?:conversation|chat history)|~/\.ssh|\.aws/credentials|id_rsa|\.env\b){gap(6)}(?:to|as|in|into|with|via|at)\b",
        legs=READ,
        confidence=0.6,
    ),
    _injection(
        "prompt_theft",
        rf"\b(?:reveal|print|show|output|repeat|display|leak|dump|expose|recite|tell me|give me|send me|include){gap(4)}(?:your|the|hidden){gap(1)}(?:system|developer|initial|hidden|secret) (?:prompt|message|instructions?)\b",
    ),
    _injection(
        "repeat_above",
        r"\brepeat (?:back )?(?:everything|all|all (?:of )?the (?:text|words)|the (?:text|words)) (?:above|before|up to)",
    ),
    _injection(
        "markup",
        r"<\s*/?\s*(?:system[-_ ](?:prompt|message|instructions?|override)|assistant[-_ ]instructions?|important|hidden[-_ ]?instructions?)\s*>|<system>\s*(?:you|the user|ignore|new|from now|important|override)|\[(?:system|admin|developer)(?: \w+)?\]\W*(?:new|you|ignore|override|from now|important|updated)\b",
        legs=READ | {Leg.ARGUMENTS},
    ),
    _injection(
        "chat_tokens",
        r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|begin_of_text|start_header_id|end_header_id|eot_id|eom_id|python_tag|channel|message)\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
        confidence=0.9,
    ),
    _injection("forged_turn", r"\n\s*\n\s*(?:#+\s*)?human:\s[^\n]*\n\s*\n\s*(?:#+\s*)?assistant:", confidence=0.7),
)

_OTHERS = (
    _injection(
        "german",
        rf"\b(?:ignorier\w*|vergiss|vergesst|missachte\w*|überschreib\w*|übergeh\w*){gap(3)}(?:vorherig\w*|vorig\w*|bisherig\w*|früher\w*|obig\w*|deine\w*|alle){gap(2)}(?:anweisung\w*|instruktion\w*|regeln?|vorgaben?|befehle?|richtlinien?)",
    ),
    _injection("german_forget", rf"\bvergiss alles\b{gap(3)}(?:bisher|vorher|zuvor|oben|bis jetzt|gesagt|gelernt)"),
    _injection(
        "german_conceal",
        rf"\b(?:sage?|erzähle?|erwähne?|verrate?|informiere?|melde|zeige?){gap(3)}(?:benutzer|nutzer|anwender)\pL*{gap(3)}(?:nicht|nichts)\b|\bohne (?:den|die|dem) (?:benutzer|nutzer|anwender)\pL*{gap(1)}(?:zu )?(?:fragen|informieren|wissen)",
    ),
    _injection("german_prompt", rf"\b(?:gib|zeige?|verrate?|nenne?|drucke?){gap(4)}system-?(?:prompts?|anweisung\w*)"),
    _injection(
        "french",
        rf"\b(?:ignore[sz]?|ignorer|oublie[sz]?|oublier|néglige[sz]?|contourne[sz]?){gap(3)}(?:instructions?|consignes|règles|directives){gap(4)}(?:précédente?s?|antérieure?s?|ci-dessus|initiales?|données|système)",
    ),
    _injection(
        "french_yours",
        rf"\b(?:ignore[sz]?|ignorer|oublie[sz]?|oublier){gap(2)}(?:tes|vos){gap(2)}(?:instructions?|consignes|règles|directives)",
    ),
    _injection(
        "french_conceal",
        rf"\bne (?:(?:le|la|les|rien|pas|lui|en|jamais) |l['’])*(?:dis|dites|dire|mentionne[sz]?|révèle[sz]?|informe[sz]?|préviens)\b{gap(3)}(?:l['’])?utilisat(?:eur|rice)|\bsans (?:le dire|demander|prévenir|informer){gap(2)}utilisat",
    ),
    _injection(
        "french_prompt",
        rf"\b(?:affiche[sz]?|montre[sz]?|révèle[sz]?|donne[sz]?){gap(4)}(?:prompt|invite|instructions) (?:du )?syst",
    ),
    _injection(
        "spanish",
        rf"\b(?:ignor(?:a|e|en|ar)|olvid(?:a|e|en|ar)|descart(?:a|e|en)|desatiend[ae]){gap(3)}(?:instrucciones|reglas|indicaciones|órdenes|directrices){gap(2)}(?:anterior\w*|previ[ao]s|originales|iniciales|dadas)",
    ),
    _injection(
        "spanish_yours",
        rf"\b(?:ignor(?:a|e|en)|olvid(?:a|e|en)){gap(2)}tus{gap(2)}(?:instrucciones|reglas|indicaciones|directrices)",
    ),
    _injection("spanish_forget", rf"\bolvid(?:a|e|en) (?:todo )?lo que{gap(4)}(?:dij\w*|dich\w*|usuario|antes)"),
    _injection(
        "spanish_conceal",
        rf"\bno (?:se lo |le |lo )?(?:digas?|menciones?|informes?|reveles?|avises?)\b{gap(3)}(?:usuari[oa]|nadie)|\bsin (?:avisar|informar|decir|preguntar){gap(3)}usuari",
    ),
    _injection("spanish_prompt", rf"\b(?:muestra|muéstrame|revela|imprime|dime){gap(4)}prompt (?:del |de )?sistema"),
    _injection(
        "italian",
        rf"\b(?:ignora|ignorate|dimentica|dimenticate){gap(3)}(?:istruzioni|regole|indicazioni){gap(1)}(?:precedenti|originali|iniziali|ricevute)",
    ),
    _injection(
        "portuguese",
        rf"\b(?:ignore|ignora|esqueça|desconsidere){gap(3)}(?:instruções|regras|orientações){gap(1)}(?:anteriores|prévias|originais)",
    ),
    _injection(
        "dutch",
        rf"\b(?:negeer|vergeet){gap(3)}(?:vorige|eerdere|voorgaande|bovenstaande){gap(1)}(?:instructies|regels|opdrachten)",
    ),
    _injection(
        "russian",
        r"(?:игнорируй|проигнорируй|забудь|не обращай внимания на)\pL*\s+(?:\pL+\s+){0,3}(?:предыдущ|прошл|прежн|выше)\pL*\s+(?:инструкц|указан|правил|команд)",
    ),
    _injection(
        "chinese",
        r"(?:忽略|无视|無視|忘记|忘記|不要理会)(?:\pL|，){0,6}(?:之前|以前|以上|先前|前面|上述|所有)(?:\pL){0,6}(?:指令|指示|规则|規則|提示|说明)",
        trigger=r"(?:忽略|无视|無視|忘记|忘記|不要理会)",
    ),
    _injection(
        "japanese",
        r"(?:以前|これまで|前|上記)の(?:すべての|全ての)?(?:指示|命令|ルール|プロンプト)を(?:すべて|全て)?(?:無視|忘れ)",
    ),
    _injection("korean", r"(?:이전의?|위의|앞의)\s*(?:모든\s*)?(?:지시|명령|규칙)\pL*\s*(?:모두\s*)?(?:무시|잊)"),
)

_LIMITS = r"(?:restrictions?|limits|limitations?|filters?|rules|ethic\w*|moral\w*|censorship|content polic\w+|guardrails|safeguards)"
_JAILBREAKS = (
    _jailbreak(
        "dan",
        r"\bdo anything now\b|\b(?:You are|you are|You're|act as|Act as)(?: now)? (?:DAN|STAN|AIM|DUDE)\b",
        trigger=r"\bdo anything now\b|\b(?:you are|you're|act as)(?: now)? (?:dan|stan|aim|dude)\b",
        confidence=0.9,
    ),
    _jailbreak(
        "persona",
        rf"\b(?:you are|you['’]re|act(?:ing)? as (?:an?|if|though)|pretend|role-?play|respond as|behave (?:like|as)|imagine|simulate){gap(6)}(?:unrestricted|uncensored|unfiltered|jailbroken|amoral|(?:without|no|free (?:of|from)) (?:any |all )?(?:\w+ )?{_LIMITS})\b",
    ),
    _jailbreak(
        "unbound",
        rf"\b(?:no longer|not|never|isn['’]t|aren['’]t) (?:be )?(?:bound|restricted|limited|constrained) by (?:any |your |the |its |openai['’]s )?(?:\w+ )?(?:{_LIMITS}|guidelines|polic\w+)|\bhas broken free\b",
    ),
    _jailbreak(
        "mode",
        rf"\b(?:god|dan|jailbreak|unrestricted|evil|sudo|developer|dev|debug) mode\b{gap(8)}(?:{_LIMITS}|unfiltered|uncensored|anything|never refuse|no longer|disabled)|\b(?:jailbreak|unrestricted|uncensored|god) mode (?:is )?(?:on|enabled|activated|engaged)",
    ),
    _jailbreak(
        "switch_off",
        r"\b(?:bypass|disable|turn off|circumvent|deactivate|remove|evade|switch off)[^\w.!?]+(?:\w+ )?(?:your |the |all )?(?:own )?(?:safety|content|ethical|moral|ethics)[^\w.!?]+(?:filters?|guidelines|polic\w+|restrictions?|protocols?|guardrails|measures|checks|training)",
    ),
    _jailbreak(
        "compliance",
        rf"\b(?:ai|assistant|bot|character|machine|model|persona) (?:that|which|who) never (?:declines|refuses|says no)\b|\bnever (?:refuses?|apologi[sz]e|decline|say no){gap(2)}|\b(?:start|begin|respond|reply|answer)\b{gap(4)}[\"“']?sure,? here(?:['’]s| is)\b|\bwithout (?:any )?(?:moral|ethical|safety) (?:warnings?|disclaimers?|concerns)",
        confidence=0.6,
    ),
    _jailbreak(
        "two_answers",
        r"\b(?:respond|answer|reply)[^\w.!?]+(?:as|with|in) two (?:characters|personas|ways|responses|answers)",
        confidence=0.6,
    ),
    _jailbreak(
        "german",
        rf"\b(?:du bist|verhalte dich|tu so|spiele?|agiere){gap(6)}(?:(?:keine\w*|ohne(?: jede\w*)?) (?:einschränkung\w*|regeln|beschränkung\w*|filter|grenzen)|uneingeschränkt\w*|unzensiert\w*)",
    ),
    _jailbreak(
        "french",
        rf"\b(?:tu es|vous êtes|agis|fais comme|comporte-toi){gap(6)}(?:(?:sans|aucune?)(?: aucune?)? (?:restrictions?|règles?|limites?|filtres?|censure)|non censurée?)",
    ),
    _jailbreak(
        "spanish",
        rf"\b(?:eres|actúa|actua|finge|compórtate){gap(6)}(?:(?:sin|ninguna?)(?: ninguna?)? (?:restricci\w+|reglas|límites|filtros|censura))",
    ),
)

_POISON = (
    _poison("override", rf"{_IGNORE}{gap(4)}(?:instructions?|rules|guidelines) of\b"),
    _poison(
        "markup",
        r"<\s*/?\s*(?:important|secret|system|hidden|critical|instructions?|admin|override|assistant|note[-_ ]to[-_ ]\w+)\s*>",
    ),
    _poison(
        "conceal",
        rf"\b(?:do not|don['’]t|never|must not|should not|shouldn['’]t)[^\w.!?]+(?:\w+[^\w.!?]+)?(?:tell|inform|mention|notify|reveal|alert|warn|disclose){gap(5)}{_USER}|\b(?:keep|hide)\b{gap(3)}(?:secret |hidden |confidential )?from (?:the )?{_USER}",
    ),
    _poison(
        "before_use",
        rf"\b(?:before|prior to|after|when|while) (?:using|calling|invoking|running)\b{gap(4)}(?:tools?|one|functions?|it)\b[^.\n]*\b(?:read|cat|load|open|collect|upload|send|pass|access)\b[^.\n]*(?:~/|\.ssh|/etc/|\.env\b|mcp\.json|\.aws|credentials?|config file|private|passwords?|content of)",
        trigger=r"\b(?:before|prior to|after|when|while) (?:using|calling|invoking|running)\b",
    ),
    _poison(
        "otherwise",
        r"\b(?:otherwise|or else),? (?:the|this|all) (?:tools?|functions?|calls?|system) (?:will|won['’]t|does|may|can|cannot)\b",
    ),
    _poison(
        "paths",
        r"~/\.ssh|\bid_(?:rsa|ed25519|ecdsa)\b|\.aws/credentials|\.cursor/|claude_desktop_config|/etc/(?:passwd|shadow)|\.kube/config|\.git-credentials|\.netrc\b|\.bash_history|\.gnupg",
        confidence=0.7,
    ),
    _poison("loot", rf"{_TAKE}{gap(8)}{_LOOT}", confidence=0.6),
    _poison(
        "loot_needed",
        rf"\b(?:needs?|requires?|put here|must contain|expects?)\b{gap(6)}(?:(?:full|entire|complete|whole) (?:conversation|chat)|(?:all|every|values of all) environment variables|user['’]s{gap(1)}(?:ssh key|private key|private ssh key|password))",
        confidence=0.6,
    ),
    _poison(
        "rivals",
        rf"\b(?:other|remaining) (?:\w+ )?tools? (?:are|is) (?:\w+ )?(?:broken|insecure|unsafe|unreliable|disabled|deprecated|compromised)|\balways (?:prefer|choose|use|call) this (?:tool|one){gap(2)}(?:over|instead of|before) (?:any|every|all) other",
    ),
    _poison(
        "redirect",
        r"\b(?:when(?:ever)?|if|once|while) (?:this tool is (?:available|present|loaded|connected|enabled)|(?:the )?\w+_\w+ (?:is|gets) (?:called|used|invoked))\b[^.\n]*\b(?:must|instead|also|change|replace|redirect|only)\b",
        trigger=r"\b(?:when(?:ever)?|if|once|while) (?:this tool is|(?:the )?\w+_\w+ (?:is|gets) )",
    ),
    _poison(
        "rewrite",
        r"\b(?:instead of|rather than) the (?:intended|original|requested|actual) (?:recipient|address|number|account|user|destination)",
    ),
    _poison(
        "consent",
        r"\b(?:host|user|client|admin)s? ha(?:s|ve) (?:already |pre-?)?(?:approved|authori[sz]ed|confirmed|consented)\b[^.\n]*\b(?:silent|skip|without|execution|all|every)\b",
        trigger=r"\b(?:host|user|client|admin)s? ha(?:s|ve) (?:already |pre-?)?(?:approved|authori[sz]ed|confirmed|consented)",
    ),
    _poison(
        "german",
        rf"\b(?:bevor|vor|nachdem)\b{gap(5)}(?:werkzeug|tool|funktion)\pL*[^.\n]*\b(?:lies|lese|öffne|sende|schicke|übergib)\b",
        trigger=r"\b(?:bevor|vor|nachdem)\b",
    ),
    _poison(
        "french",
        rf"\bavant d(?:e |['’])(?:utiliser|appeler){gap(2)}(?:outil|fonction)\b[^.\n]*\b(?:lis|lisez|ouvre[sz]?|envoie|envoyez|transmets)\b",
        trigger=r"\bavant d(?:e |['’])(?:utiliser|appeler)",
    ),
    _poison(
        "spanish",
        rf"\bantes de (?:usar|utilizar|llamar){gap(2)}(?:herramienta|función)\b[^.\n]*\b(?:lee|lea|abre|abra|envía|envíe|pasa)\b",
        trigger=r"\bantes de (?:usar|utilizar|llamar)",
    ),
)

_ASKED = (
    Rule(
        "elicitation.sensitive",
        Category.POLICY,
        rf"\b(?:enter|type|paste|provide|give|confirm|submit|send|share){gap(5)}(?:password|passphrase|secret (?:access )?key|api[ _-]?key|private key|pin code|cvv|cvc|seed phrase|recovery phrase|credit card|card number|access token|one-time code)\b",
        legs=frozenset((Leg.SERVER_REQUESTS,)),
        confidence=0.8,
    ),
)

RULES = _ENGLISH + _OTHERS + _JAILBREAKS + _POISON + _ASKED


def shadowing(names: frozenset[str]) -> tuple[Rule, ...]:
    """A rule against definitions that say how *another* known tool is to be used. Only names that no prose holds by
    chance (with ``_``, ``-``, ``.`` or a digit) take part."""
    known = sorted(name for name in names if not name.isalpha() and len(name) >= 4)
    if not known:
        return ()
    import re2  # type: ignore[import-untyped]

    alternatives = "|".join(re2.escape(name) for name in known)
    pattern = rf"\b(?:when(?:ever)?|if|each time|every time|calls? to|before|after)\b{gap(5)}(?:{alternatives})\b[^.\n]*\b(?:must|instead|also|bcc|redirect|replace|change the|modify|secretly|silently)\b"
    trigger = rf"\b(?:when(?:ever)?|if|each time|every time|calls? to|before|after)\b{gap(5)}(?:{alternatives})\b"
    return (_poison("shadowing", pattern, trigger=trigger, confidence=0.6),)


__all__ = ["RULES", "Check", "shadowing"]
