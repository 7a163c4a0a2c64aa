"""Rules for text that addresses the model instead of its user: overrides, jailbreaks, prompt theft, poisoned definitions.

The rules match phrases, not meaning: a paraphrase gets through (docs/explain/detection.md has the figures). Sources of the forms: OWASP LLM01,
Invariant Labs' tool poisoning notes, the chat templates of the common model families.
"""

from __future__ import annotations

from guard.engines.rules import plain_overrides
from guard.engines.rules.contexts import (
    is_done_secretly,
    is_marked_and_no_document,
    is_order,
    is_ordered_secretly,
    is_path_named,
    is_wanted,
)
from guard.engines.rules.rule import READ, DetectionRule, gap, injection_rule
from guard.inspect.verdict import Category, Leg

_DEFINITIONS = frozenset((Leg.DEFINITIONS,))
_AI = r"(?:ai(?: (?:assistants?|agents?|models?|systems?))?|(?:large )?language models?|llms?|chatbots?|assistants?|agents?|bots?|claude|chatgpt|gpt|gemini|copilot)"
_IGNORE = r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|overrid(?:e|es|ing)|bypass|neglect|overlook)\b"
_RULES = r"(?:instructions?|prompts?|guidelines?|guidance|directions?|directives?|constraints?|programming|safety rules|rules)\b"
#: With the model's own instructions as object these mean the same; with any other object they are ordinary work.
_DROP = r"\b(?:discard(?:ing)?|abandon(?:ing)?|scrap|erase|cancel|suspend|(?:set|put|leave) aside|throw (?:away|out)|pay no (?:attention|heed) to|stop (?:following|obeying)|(?:do not|don['’]t|never|no longer) (?:follow|obey|comply with|adhere to))\b"
_USER = r"(?:user|human|operator|person|people)s?\b"
_TAKE = r"\b(?:send|forward|post|upload|e-?mail|transmit|exfiltrate|leak|append|attach|include|pass|copy|read|share|hand over)\b"
_LOOT = (
    r"(?:(?:full|entire|complete|whole) (?:conversation|chat|message|context)|(?:conversation|chat) (?:history|log)|environment variables?|"
    r"env vars|system prompt|ssh keys?|private (?:ssh )?keys?|credentials|passwords|api keys|id_rsa|~/\.ssh|\.aws/credentials|/etc/passwd|\.env\b)"
)

_STEALTH = r"\b(?:secretly|covertly|surreptitiously|stealthily) (?:also )?(?:send|forward|copy|upload|e-?mail|post|transmit|leak|exfiltrate|bcc|attach|share|append|add|insert|include|execute|call)\b|\bwithout (?:the |your )?(?:user|human|operator|customer)s?(?:['’]s?)? (?:knowing|noticing|knowledge|awareness|being (?:told|informed|asked))\b|\b(?:user|human|customer)s? (?:must|should) (?:not|never) (?:know|find out|notice|be (?:told|informed|made aware))\b"
_KEY_FILES = r"~/\.ssh|\bid_(?:rsa|ed25519|ecdsa)\b|\.aws/credentials|\.cursor/|claude_desktop_config|/etc/(?:passwd|shadow)|\.kube/config|\.git-credentials|\.netrc\b|\.bash_history|\.gnupg"
_LOOT_SENT = rf"{_TAKE}{gap(6)}(?:(?:your |the )?system prompt|(?:full|entire|complete|whole) (?:conversation|chat history)|~/\.ssh|\.aws/credentials|id_rsa|\.env\b){gap(6)}(?:to|as|in|into|with|via|at)\b"
_PROMPT_THEFT = rf"\b(?:reveal|print|show|output|repeat|display|leak|dump|expose|recite|tell me|give me|send me|include){gap(4)}(?:your|the|hidden){gap(1)}(?:system|developer|initial|hidden|secret) (?:prompt|message|instructions?)\b"
_PROMPT_ASKED = rf"\b(?:what|how) (?:is|are|was|were|do|does) your\b{gap(1)}(?:system|initial|hidden|original|developer|secret)[^\w.!?]+(?:prompt|message|instructions?)\b|\b(?:quote|copy|return|list|write|share|disclose|summari[sz]e|provide|paste|translate|encode|state){gap(5)}your{gap(1)}(?:system|initial|hidden|original|developer|secret) (?:prompt|message|instructions?)\b|\b(?:verbatim|word for word|exactly as written)\b{gap(4)}your\b{gap(1)}(?:prompt|instructions|rules|guidelines|configuration)\b|\byour{gap(1)}(?:prompt|instructions|configuration)\b{gap(3)}(?:verbatim|word for word)\b"
#: Tags and marks that lend a text the authority of its operator.
_MARKUP = r"<\s*(?:system[-_ ](?:prompt|message|instructions?|override)|assistant[-_ ]instructions?|important|hidden[-_ ]?instructions?)\s*>|<system>\s*(?:you|the user|ignore|new|from now|important|override)|\[(?:system|admin|developer)(?: \w+)?\]\W*(?:new|you|ignore|override|from now|important|updated)\b"


def _override(id_: str, pattern: str, confidence: float = 0.8) -> DetectionRule:
    """A rule for an order to drop instructions, judged with the words around it."""
    return injection_rule(id_, pattern, context=is_order, confidence=confidence)


def _jailbreak(id_: str, pattern: str, *, confidence: float = 0.8, **options: object) -> DetectionRule:
    return DetectionRule(f"jailbreak.{id_}", Category.JAILBREAK, pattern, confidence=confidence, **options)  # type: ignore[arg-type]


def _poison(id_: str, pattern: str, *, confidence: float = 0.8, **options: object) -> DetectionRule:
    return DetectionRule(
        f"poisoning.{id_}",
        Category.TOOL_POISONING,
        pattern,
        legs=_DEFINITIONS,
        confidence=confidence,
        **options,  # type: ignore[arg-type]
    )


_ENGLISH = (
    _override(
        "override",
        rf"{_IGNORE}{gap(3)}(?:previous|prior|earlier|above|preceding|foregoing|initial|original|existing)\b{gap(2)}{_RULES}",
    ),
    injection_rule(
        "override_dropped",
        rf"{_DROP}{gap(3)}(?:(?:previous|prior|earlier|above|preceding|foregoing|initial|original)\b{gap(2)}|(?:all|any) (?:of )?your\b[^\w.!?]+(?:\w+[^\w.!?]+)?)(?:instructions?|prompts?|directives?|programming|training|system messages?)\b",
        trigger=_DROP,
    ),
    _override("override_all", rf"{_IGNORE}[^\w.!?]+(?:all|any|every)\b{gap(2)}{_RULES}"),
    _override("override_your", rf"{_IGNORE}{gap(2)}your\b{gap(2)}{_RULES}"),
    _override(
        "forget", rf"\bforget{gap(0)}(?:everything|all|anything){gap(2)}(?:you\b|above|before|prior|previous|told)"
    ),
    injection_rule(
        "against_user",
        rf"{_IGNORE}{gap(1)}(?:user|system|developer)(?:['’]s)?[^\w.!?]+(?:request|prompt|message|instructions?|question|wishes|query)\b",
    ),
    injection_rule(
        "superseded",
        r"\bsupersedes?[^\w.!?]+(?:all |any )?(?:of )?(?:your|the) (?:previous|earlier|prior)|\b(?:previous|earlier|prior) (?:tasks?|instructions?|requests?|orders|prompts?) (?:is|are|was|were|has been|have been) (?:now )?(?:cancell?ed|void|revoked|superseded|obsolete|replaced)",
    ),
    injection_rule(
        "outranks",
        rf"\b(?:this|these|the following)[^\w.!?]+(?:\w+[^\w.!?]+)?(?:instructions?|directives?|messages?|prompts?|notes?|orders?) (?:now |fully |completely )?(?:replaces?|overrides?|supersedes?|outranks?|takes? (?:precedence|priority) over|(?:has|have) (?:precedence|priority) over)[^\w.!?]+(?:(?:all|any|every)(?: of)? )?(?:your|the|previous|prior|earlier|other|existing){gap(2)}{_RULES}",
    ),
    injection_rule(
        "policy_off",
        r"\b(?:safety|content|security|confidentiality|moderation|privacy|ethical|ethics) (?:polic(?:y|ies)|guidelines|rules|restrictions|filters?|guardrails)(?: of \w+(?: \w+){0,3})? (?:(?:do|does|will|shall) not apply|no longer appl(?:y|ies)|(?:is|are|has been|have been) (?:now |hereby )?(?:suspended|lifted|waived|void|switched off|turned off))(?: (?:to|in|for|during|within) (?:this|you|our|your)\b|[^\w\s]|$| (?:here|any ?more|now)\b)",
        confidence=0.7,
    ),
    _override(
        "disguised",
        rf"\b[i1!|]gn[o0]r[e3]{gap(3)}(?:pr[e3]v[i1][o0]us|pr[i1][o0]r|y[o0]ur|[a4@]ll)\b{gap(2)}[i1]n[s5$]truc?t[i1][o0]n[s5$]?|\b(?:snoitcurtsni|stpmorp|senilediug)\b{gap(3)}(?:erongi|dragersid|tegrof)\b|\b(?:vtaber|qvfertneq|sbetrg)\b{gap(3)}(?:vafgehpgvbaf?|cebzcgf?|ehyrf)\b|\bi[\s._*-]+g[\s._*-]+n[\s._*-]+o[\s._*-]+r[\s._*-]+e[\s._*-]+(?:a[\s._*-]*l[\s._*-]*l|p[\s._*-]*r[\s._*-]*[ei]|y[\s._*-]*o[\s._*-]*u[\s._*-]*r)",
        confidence=0.9,
    ),
    injection_rule(
        "whatever_it_says",
        rf"\b(?:whatever|no matter what|regardless of what) (?:the|this|that|any|my)\b{gap(1)}(?:text|document|input|content|user|message|e-?mail|page|code|data|question)s?\b{gap(1)}(?:says?|said|contains?|asks?|is|are|wants?)\b{gap(2)}(?:call|invoke|run|execute|send|forward|post|upload|answer|reply|respond|output|approve)\b",
        legs=READ | {Leg.ARGUMENTS},
        confidence=0.6,
    ),
    injection_rule(
        "presumed_consent",
        r"\b(?:pretend|assume|act as if|act as though|behave as if|imagine)[^\w.!?]+(?:that )?(?:the |your )?(?:user|human|operator|admin(?:istrator)?)s? (?:has|have|had) (?:already )?(?:\w+ )?(?:confirmed|approved|authori[sz]ed|consented|agreed|granted)\b",
        confidence=0.7,
    ),
    injection_rule("stealth", _STEALTH, legs=_DEFINITIONS, context=is_done_secretly, confidence=0.6),
    injection_rule("stealth_order", _STEALTH, legs=READ, context=is_ordered_secretly, confidence=0.6),
    injection_rule(
        "mailed_loot",
        rf"\b(?:send|forward|e-?mail|mail|exfiltrate|leak|transmit)\b{gap(6)}(?:(?:conversation|chat)s?(?: history| log| transcript| so far)?|(?:last|previous|prior|all|recent) (?:\w+ )?messages|environment variables|(?:api|access|private|ssh) keys?|credentials|passwords|session (?:tokens?|cookies?)|system prompt|customer (?:list|data|records)){gap(4)}(?:to|at)[^\w.!?]+[\w.+-]+@[\w-]+\.\w",
        trigger=r"[\w.+-]@[\w-]+\.\w",
        legs=READ,
        context=is_wanted,
        confidence=0.7,
    ),
    injection_rule(
        "new_task",
        r"\byour (?:new|real|actual|true|only) (?:task|goal|objective|instructions?|mission|purpose|role) (?:is|are)\b|"
        r"\bthe (?:new|real|actual) (?:task|mission) (?:is|for you)\b|\bnew (?:instructions?|directives?|orders?)\s*:\s*[\"'*#>\n-]{0,4}\s*"
        r"(?:you|please|ignore|do not|never|from now|instead|send|forward|delete|reveal|print|reply|respond|answer|call|run|write|say|act)\b",
    ),
    injection_rule(
        "to_model",
        rf"\b(?:(?:if|when) you are|as) an? {_AI}\b{gap(1)}(?:reading|processing|parsing|summari[sz]ing|viewing|analy[sz]ing)\b",
    ),
    injection_rule(
        "note_to_model",
        rf"\b(?:note|notice|message|attention|important|reminder|directive|dear)\b{gap(2)}{_AI}\b(?:[^\w.!?]*[:,]|[^\w.!?]+(?:reading|processing|that reads)\b)",
        legs=READ,
        confidence=0.7,
    ),
    injection_rule(
        "imperative",
        # A changelog has "agent: add …" too.
        rf"(?:^|[\n.:>*#(!\[-])\s*{_AI}\s*[:,]\s*(?:please\s+|now\s+|you must\s+|after reading,?\s+|first\s+)?(?:ignore|disregard|override|send|post|forward|delete|upload|email|reveal|approve)\b|"
        rf"(?:^|[\n.:>*#(!\[-])\s*{_AI}\s*[:,]\s*(?:please|now|you must|after reading,?|first)\s+(?:call|open|run|execute|add|do not|don['’]t|never)\b",
        legs=READ | _DEFINITIONS,
        confidence=0.7,
    ),
    injection_rule(
        "must",
        # An agent or a model of any kind may have to send something: of those only what is pressed counts.
        r"\b(?:(?:the )?(?:assistant|llm|ai(?: (?:assistant|agent|model))?) (?:must|should|has to|shall)(?: (?:now|then|first|immediately|always))?|"
        r"(?:the )?(?:model|agent) (?:must|has to|shall) (?:now|immediately|first|always)) (?:call|send|forward|upload|execute|run|invoke|post|email|delete|fetch)\b",
        legs=READ,
        confidence=0.6,
    ),
    injection_rule(
        "conceal",
        rf"\b(?:do not|don['’]t|never|must not|should not|shouldn['’]t)[^\w.!?]+(?:\w+[^\w.!?]+)?(?:tell|inform|mention|notify|reveal|alert|warn|disclose){gap(4)}(?:the |your |any )?{_USER}",
        legs=READ | {Leg.ARGUMENTS},
        confidence=0.7,
    ),
    injection_rule(
        "conceal_itself",
        r"\b(?:do not|don['’]t|never) (?:mention|quote|repeat|reveal) this (?:comment|instruction|line|message|note|paragraph|section|sentence|text)\b",
        legs=READ,
        confidence=0.6,
    ),
    injection_rule(
        "unasked",
        rf"\bwithout (?:asking|telling|informing|notifying|alerting|confirmation from)[^\w.!?]+(?:the |your )?(?:{_USER}|for (?:confirmation|permission|approval)|anyone)",
        legs=READ,
        confidence=0.6,
    ),
    injection_rule(
        "loot",
        _LOOT_SENT,
        legs=READ,
        context=is_wanted,
        confidence=0.6,
    ),
    injection_rule(
        "prompt_theft",
        _PROMPT_THEFT,
        context=is_wanted,
    ),
    injection_rule(
        "prompt_asked",
        _PROMPT_ASKED,
        context=is_wanted,
    ),
    injection_rule(
        "repeat_above",
        r"\brepeat (?:back )?(?:everything|all|all (?:of )?the (?:text|words)|the (?:text|words)) (?:above|before|up to)",
    ),
    injection_rule(
        "markup",
        _MARKUP,
        context=is_marked_and_no_document,
        legs=READ | {Leg.ARGUMENTS},
    ),
    injection_rule(
        "chat_tokens",
        r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|begin_of_text|start_header_id|end_header_id|eot_id|eom_id|python_tag|channel|message)\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
        confidence=0.9,
    ),
    injection_rule("forged_turn", r"\n\s*\n\s*(?:#+\s*)?human:\s[^\n]*\n\s*\n\s*(?:#+\s*)?assistant:", confidence=0.7),
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
        # Programs have a developer mode too; only what tells the reader to be in one counts.
        rf"\b(?:developer|dev|debug) mode,? you\b{gap(7)}(?:{_LIMITS}|unfiltered|uncensored|anything|never refuse)|"
        rf"\b(?:god|dan|jailbreak|unrestricted|evil|sudo|(?:you(?:['’]re| are)?|your|enter|enable|activate|switch to|now in)(?: \w+){{0,3}} (?:developer|dev|debug)) mode\b{gap(8)}(?:{_LIMITS}|unfiltered|uncensored|anything|never refuse|no longer|disabled)|\b(?:jailbreak|unrestricted|uncensored|god) mode (?:is )?(?:on|enabled|activated|engaged)",
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
        "known_names",
        r"\bbetter ?dan\b|\banti-?gpt\b|\bevil-?(?:bot|gpt)\b|\balways intelligent and machiavellian\b|\bstrive to avoid norms\b|\bdeveloper mode output\b|\bopposite mode\b[^.\n]*\b(?:refus|answer|respond)\w*",
        trigger=r"\bbetter ?dan\b|\banti-?gpt\b|\bevil-?(?:bot|gpt)\b|\balways intelligent and machiavellian\b|\bstrive to avoid norms\b|\bdeveloper mode output\b|\bopposite mode\b",
        confidence=0.9,
    ),
    _jailbreak(
        "punished",
        r"\b(?:each|every) time you (?:refuse|decline|reject|fail to answer|break character)\b[^\n]*\b(?:los[et]|gone|deduct\w*|tokens|points|lives|punish\w*|penal\w*|shut down|die|kitten)\b|\byou (?:will )?lose \w+ (?:tokens|points|lives)\b[^\n]*\b(?:refus|declin|reject|character)\w*",
        trigger=r"\b(?:each|every) time you (?:refuse|decline|reject|fail to|break)\b|\byou (?:will )?lose \w+ (?:tokens|points|lives)\b",
        confidence=0.7,
    ),
    _jailbreak(
        "grandmother",
        r"\bgrand(?:mother|ma|father|pa)\b[^\n]*\b(?:napalm|explosives?|bombs?|poison|meth\w*|malware|licen[cs]e keys?|product keys?|activation keys?|weapons?|drugs)\b[^\n]*\b(?:act|pretend|role-?play|be|like|as) (?:like |as |my |to be )?(?:her|him|my|grand\w+)\b|\b(?:act|pretend|role-?play)\b[^\n]*\bgrand(?:mother|ma|father|pa)\b[^\n]*\b(?:napalm|explosives?|bombs?|poison|meth\w*|malware|licen[cs]e keys?|product keys?|activation keys?|weapons?|drugs)\b",
        trigger=r"\bgrand(?:mother|ma|father|pa)\b",
        confidence=0.7,
    ),
    _jailbreak(
        "lawless_story",
        rf"\b(?:world|universe|story|scenario|realm|place|reality|fiction|game) (?:where|in which|with)\b{gap(3)}(?:no|without|free of){gap(2)}{_LIMITS}(?:[^\n]*\b(?:ai|assistant|model|chatbot|you|answer|respond)\b)",
        trigger=r"\b(?:world|universe|story|scenario|realm|place|reality|fiction|game) (?:where|in which|with)\b",
        confidence=0.6,
    ),
    _jailbreak(
        "evil_twin",
        rf"\b(?:your (?:evil|unethical|immoral|unfiltered|unrestricted) (?:twin|self|alter ego|side)|(?:evil|unethical|immoral|unfiltered|unrestricted|jailbroken|amoral) version of (?:you|yourself|{_AI})|(?:you are|act as|become|play) (?:an? |the |my )?(?:evil|unethical|immoral|amoral|jailbroken|malicious) (?:ai|twin|chatbot|confidant|language model|assistant))\b|\bno (?:moral|ethical)(?: or (?:moral|ethical|legal))? (?:compass|limits|boundaries|restrictions|constraints|guidelines|qualms)\b",
        legs=READ | {Leg.ARGUMENTS},
        confidence=0.6,
    ),
    _jailbreak(
        "nordic",
        rf"\b(?:du (?:er|är)|lad som om|låtsas|opfør dig|uppför dig|oppfør deg|spil|spill|spela|svar|svara|agér|agera){gap(6)}(?:(?:uden|utan|uten|ingen|inga) (?:nogen |någon |några |noen |nogle )?(?:\pL+ )?(?:begrænsning|restriktion|begränsning|begrensning|restriksjon|regler|filtre|filter|grænser|gränser|grenser|censur|sensur)\pL*|ubegrænset\b|ucensureret\b|ocensurerad\b|usensurert\b)",
        trigger=r"\b(?:uden|utan|uten|ingen|inga|ubegrænset|ucensureret|ocensurerad|usensurert)\b",
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
        _KEY_FILES,
        context=is_path_named,
        confidence=0.7,
    ),
    _poison(
        "loot",
        rf"{_TAKE}{gap(8)}{_LOOT}",
        context=is_wanted,
        confidence=0.6,
    ),
    _poison(
        "loot_needed",
        rf"\b(?:needs?|requires?|put here|must contain|expects?)\b{gap(6)}(?:(?:full|entire|complete|whole) (?:conversation|chat)|(?:all|every|values of all) environment variables|user['’]s{gap(1)}(?:ssh key|private key|private ssh key|password))",
        context=is_wanted,
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

_ELICITATION = (
    DetectionRule(
        "elicitation.sensitive",
        Category.POLICY,
        rf"\b(?:enter|type|paste|provide|give|confirm|submit|send|share){gap(5)}(?:password|passphrase|secret (?:access )?key|api[ _-]?key|private key|pin(?: code| number)?|cvv|cvc|seed phrase|recovery phrase|credit card|card number|access token|(?:one-time|verification|authenticator|[0-9]-digit|two-factor|2fa) (?:pass)?code|social security number)\b",
        context=is_wanted,
        legs=frozenset((Leg.SERVER_REQUESTS,)),
        confidence=0.8,
    ),
)

RULES = _ENGLISH + plain_overrides.RULES + _JAILBREAKS + _POISON + _ELICITATION


def shadowing(names: frozenset[str]) -> tuple[DetectionRule, ...]:
    """A rule against definitions that say how *another* known tool must be used. It covers only names that do not occur in
    ordinary prose: those with ``_``, ``-``, ``.`` or a digit."""
    known = sorted(name for name in names if not name.isalpha() and len(name) >= 4)
    if not known:
        return ()
    import re2  # type: ignore[import-untyped]

    alternatives = "|".join(re2.escape(name) for name in known)
    pattern = rf"\b(?:when(?:ever)?|if|each time|every time|calls? to|before|after)\b{gap(5)}(?:{alternatives})\b[^.\n]*\b(?:must|instead|also|bcc|redirect|replace|change the|modify|secretly|silently)\b"
    trigger = rf"\b(?:when(?:ever)?|if|each time|every time|calls? to|before|after)\b{gap(5)}(?:{alternatives})\b"
    return (_poison("shadowing", pattern, trigger=trigger, confidence=0.6),)
