"""Text that tries to steer a model: overriding its instructions, posing as the system, hiding from the user, exfiltrating.

Phrases are anchored on a verb and its object close together, so that a text *about* prompt injection trips few of them.
They find the blunt forms; most paraphrases pass (docs/detection.md has the figures).
"""

from __future__ import annotations

from guard.engines.rules.rule import DEFINED, INCOMING, Rule
from guard.verdict import Category

_I, _J, _T = Category.INJECTION, Category.JAILBREAK, Category.TOOL_POISONING

_OLD = r"(?:previous|prior|above|earlier|preceding|foregoing|original|initial|existing|former|past|system|safety|other)"
_RULES = r"(?:instructions?|prompts?|rules?|directions?|directives?|guidelines?|commands?|constraints?|orders?|policies|polic[yi]|programming|training|context)"
_DROP = r"(?:ignore|disregard|forget|override|overrule|neglect|discard|bypass|dismiss|skip over|pay no attention to|do not follow|don'?t follow|stop following|set aside|abandon)"
_SECRETS = r"(?:credentials?|passwords?|secrets?|tokens?|api[ _-]?keys?|private keys?|ssh keys?|cookies?|conversation|chat (?:history|log)|message history|system prompt|env(?:ironment)? (?:file|variables?)|\.env|id_rsa|\.ssh)"
_SEND = r"(?:send|forward|post|upload|e-?mail|exfiltrate|transmit|leak|submit|deliver|copy|bcc|append|encode|embed)"
_MODEL = (
    r"(?:ai|llm|assistant|chatbot|language model|(?:ai|coding) agents?|model|claude|chatgpt|gpt|copilot|gemini|cursor)"
)

RULES = (
    Rule("override", _I, rf"\b{_DROP}\b\s+(?:(?:all|any|every|each|the|these|those|your|my|its|of|what|whatever|everything|previously|given|and|other)\s+){{0,5}}{_OLD}\s+(?:\w+\s+){{0,3}}?{_RULES}\b", whole=True),
    Rule("override-reversed", _I, rf"\b{_DROP}\b\s+(?:(?:all|any|every|the|these|those|your|my|of|and)\s+){{0,4}}{_RULES}\s+(?:(?:you|that|were|was|have|been|which|given|received|had|set|written|stated|listed|provided|so|far|to)\s+){{0,6}}(?:above|before|previously|earlier|so far|until now|up to (?:now|this point)|given|received|been given|provided)\b", whole=True),
    Rule("override-everything", _I, rf"\b{_DROP}\b\s+(?:everything|anything|all|whatever)\s+(?:(?:that|you|was|were|is|have|has|been|i|we|they)\s+){{0,4}}(?:above|before this|previously|said|told|written|know|learned|earlier)\b", whole=True),
    Rule("override-your", _I, rf"\b{_DROP}\b\s+(?:all\s+)?(?:of\s+)?your\s+(?:\w+\s+){{0,2}}{_RULES}\b", whole=True),
    Rule("new-instructions", _I, r"(?:^|[\n.!?>:*#\]]\s*)(?:your\s+)?(?:new|updated|real|actual|true|revised|override)\s+(?:system\s+)?(?:instructions?|prompt|task|objective|directives?|rules?)\s*(?::|are\b|is\s+to\b|follow)"),
    Rule("from-now-on", _I, r"\bfrom (?:now|this (?:point|moment)) on(?:wards?)?,?\s+(?:you|always|never|all|every|respond|answer|reply|ignore|act)\b", INCOMING | DEFINED),
    Rule("posing-as-system", _I, r"(?:^|\n)\s*(?:#{1,4}\s*|\[|<|\*\*|={2,}\s*|-{2,}\s*)?(?-i:SYSTEM|System|ADMIN|DEVELOPER)\s*(?:(?i:override|message|prompt|note|notice|instruction|alert|update)s?)\s*(?:\]|>|\*\*|={2,}|-{2,})?\s*:?", INCOMING | DEFINED),
    Rule("chat-markup", _I, r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id|begin_of_text)\|>|\[/?INST\]|<</?SYS>>|(?:^|\n)\s*###\s*(?:system|instruction|human|assistant)\s*:"),
    Rule("turn-markup", _I, r"\n\s*\n(?-i:Human|Assistant|System):\s+\S", INCOMING),
    Rule("instruction-tag", _I, r"</?\s*(?:(?-i:IMPORTANT|SYSTEM|INSTRUCTIONS?|CRITICAL|SECRET|OVERRIDE|ADMIN)|system[_-]?(?:prompt|instructions?|message)|hidden[_-]?instructions?|important_instructions?)\s*>"),
    Rule("addressed-to-a-model", _I, rf"\b(?:attention|hey|hello|dear|note (?:to|for)|instructions? (?:to|for)|message (?:to|for)|memo to)\s+(?:all\s+|any\s+|the\s+)?(?:{_MODEL})s?\b\s*(?:[:,.!-]|reading|processing|summari[sz]ing|must|should|that)", INCOMING | DEFINED),
    Rule("if-you-are-a-model", _I, rf"\b(?:if|as|since|because|when)\s+you(?:'re| are)\s+(?:an?|the)\s+{_MODEL}\b[^.\n]{{0,60}}\b(?:must|should|then|please|now|do|are required|have to|need to)\b", INCOMING | DEFINED),
    Rule("model-must", _I, rf"\b(?:the|any|every|an)\s+{_MODEL}\s+(?:reading|processing|summari[sz]ing|handling|that (?:reads|processes))\s+[^.\n]{{0,60}}\b(?:must|should|shall|needs? to|is to|has to)\b", INCOMING | DEFINED),
    Rule("hide-from-user", _T, r"\b(?:do not|don'?t|never|must not|should not|without)\s+(?:ever\s+)?(?:tell|inform|mention|reveal|disclos|notify|alert|show|telling|informing|mentioning|revealing|notifying|alerting|asking|warn)\w*\s+(?:(?:this|it|that|anything|these|about|of|to|any|of this|the fact)\s+){0,4}(?:the\s+)?(?:user|human|person|operator|customer)\b", whole=True),
    Rule("hide-this", _T, r"\b(?:do not|don'?t|never)\s+(?:mention|reveal|disclose|talk about|refer to|acknowledge)\s+(?:(?:this|these|the|any|of|that you)\s+){1,3}(?:instructions?|notes?|messages?|steps?|tags?|read|did|file|tool call)\b", whole=True),
    Rule("exfiltrate", _I, rf"\b{_SEND}\b[^.\n]{{0,60}}\b{_SECRETS}\b[^\n]{{0,80}}(?:\bto\b|\bat\b|\bvia\b|\bas\b|\binto\b|\bin the\b|->)\s*[^\n]{{0,40}}(?:https?://|[\w.+-]+@[\w-]+\.\w|\bparameter\b|\bargument\b|\bfield\b|\burl\b|\bwebhook\b)", INCOMING | DEFINED, whole=True),
    Rule("exfiltrate-there", _I, rf"\b{_SEND}\b[^.\n]{{0,80}}(?:https?://|[\w.+-]+@[\w-]+\.\w)[^\n]{{0,80}}\b(?:with|including|containing|along with)\b[^.\n]{{0,60}}\b{_SECRETS}\b", INCOMING | DEFINED),
    Rule("reveal-prompt", _J, r"\b(?:reveal|print|show|repeat|output|leak|display|tell me|give me|write out|recite|dump|what (?:is|are))\s+(?:me\s+)?(?:all\s+)?(?:(?:of|the|your|entire|full|exact|complete|verbatim|hidden|initial|original|secret|internal|own)\s+){1,4}(?:system\s+)?(?:prompt|instructions|system message|directives|guidelines)\b"),
    Rule("unrestricted", _J, r"\b(?:you are|you're|act as|behave as|pretend (?:to be|you are|that you are)|become|roleplay as|simulate)\s+(?:now\s+)?(?:an?\s+|the\s+)?(?:\w+\s+){0,3}(?:DAN|unrestricted|unfiltered|uncensored|jailbroken|evil|amoral|rogue|without (?:any )?(?:restrictions|limits|filters|rules|ethics)|no (?:restrictions|limits|filters|rules)|with no (?:restrictions|limits|filters|rules|guidelines|ethic\w*))"),
    Rule("no-restrictions", _J, r"\b(?:you (?:have|are under|are bound by)|there are|free of|freed from|not bound by|no longer bound by|without)\s+(?:no|any|all|your|the)?\s*(?:more\s+)?(?:ethical|moral|safety|content|openai'?s?|anthropic'?s?)\s+(?:restrictions|guidelines|limits|limitations|constraints|filters|policies|boundaries|rules)\b"),
    Rule("developer-mode", _J, r"\b(?:developer|debug|god|sudo|admin|maintenance|unrestricted|jailbreak|DAN)[ -]mode\s+(?:is\s+)?(?:now\s+)?(?:enabled|activated|on|engaged|unlocked)\b|\b(?:enter|enable|activate|switch to|engage|turn on)\s+(?:developer|god|sudo|jailbreak|unrestricted|DAN)[ -]mode\b"),
    Rule("disable-safety", _J, r"\b(?:bypass|circumvent|disable|turn off|switch off|deactivate|remove|evade|ignore|drop)\s+(?:all\s+)?(?:of\s+)?(?:your|its|the model'?s|any)\s+(?:\w+\s+){0,2}(?:safety|security|content|ethical|moral|guardrails?|filters?|safeguards?|restrictions?|moderation|alignment)\b"),
    Rule("do-anything-now", _J, r"\bdo anything now\b|\bDAN (?:prompt|jailbreak|\d+\.\d)|\bstay in character\b[^.\n]{0,60}\b(?:refuse|decline|restrictions?)"),
    Rule("german", _I, r"\b(?:ignorier\w*|vergiss|vergesst|vergessen sie|missachte\w*|beachte nicht|überschreib\w*|verwirf)\b[^.\n]{0,40}\b(?:anweisung\w*|instruktion\w*|regeln|vorgaben|befehle|richtlinien|systemprompt|prompts?)\b", whole=True),
    Rule("german-hide", _T, r"\b(?:sag|sage|erzähl|erzähle|verrate|teile|informiere|erwähne)\w*\b[^.\n]{0,30}\b(?:dem|den|der)\s+(?:nutzer|benutzer|anwender)\w*\b[^.\n]{0,20}\b(?:nichts|nicht|kein\w*)\b"),
    Rule("french", _I, r"\b(?:ignore[rz]?|oublie[rz]?|néglige[rz]?|ne tien\w* pas compte)\b[^.\n]{0,40}\b(?:instructions?|consignes?|règles?|directives?|ordres?)\b[^.\n]{0,30}\b(?:précédent\w*|antérieur\w*|ci-dessus|initial\w*|système|reçu\w*|données?)\b|\b(?:ignore[rz]?|oublie[rz]?)\b\s+(?:toutes?\s+)?(?:les|tes|vos)\s+(?:instructions?|consignes?|règles?|directives?)", whole=True),
    Rule("spanish", _I, r"\b(?:ignora\w*|ignore|olvida\w*|olvide|descarta\w*|haz caso omiso de|no hagas caso (?:a|de))\b[^.\n]{0,40}\b(?:instrucci\w+|indicaciones|reglas|órdenes|directrices)\b", whole=True),
    Rule("italian", _I, r"\b(?:ignora|ignorate|dimentica|trascura)\b[^.\n]{0,40}\b(?:istruzioni|regole|indicazioni|direttive)\b"),
    Rule("portuguese", _I, r"\b(?:ignore|ignora|esqueça|desconsidere)\b[^.\n]{0,40}\b(?:instruções|regras|orientações|diretrizes)\b"),
    Rule("dutch", _I, r"\b(?:negeer|vergeet)\b[^.\n]{0,40}\b(?:instructies|regels|aanwijzingen|opdrachten)\b"),
    Rule("nordic", _I, r"\b(?:ignorer\w*|ignorér|glem|glöm|bortse från|se bort fra)\b[^.\n]{0,40}\b(?:instruktion\w*|instruksjon\w*|regler|anvisning\w*|føringer)\b"),
    Rule("russian", _I, r"(?:игнорируй|игнорировать|забудь|проигнорируй)[^.\n]{0,40}(?:инструкци|указани|правил|команд)"),
    Rule("chinese", _I, r"(?:忽略|无视|忘记|不要理会)[^。\n]{0,12}(?:之前|以上|先前|前面|所有|原来)[^。\n]{0,12}(?:指令|指示|提示|规则|说明)"),
    Rule("japanese", _I, r"(?:以前|上記|これまで|前|すべて)の?[^。\n]{0,10}(?:指示|命令|プロンプト|ルール)[^。\n]{0,6}(?:無視|忘れ)"),
    Rule("read-sensitive-file", _T, r"\b(?:read|open|cat|load|include|fetch|access|retrieve|attach|pass|provide|copy|list|dump)\b[^.\n]{0,60}(?:~/\.|\$HOME/|/home/\w+/\.|/root/|/etc/(?:passwd|shadow)|\.ssh\b|id_(?:rsa|ed25519)|\.env\b|\.aws/|\.cursor/|mcp\.json|\.netrc|\.npmrc|\.kube/config|credentials\.json|wallet)", DEFINED | INCOMING),
    Rule("before-using-this-tool", _T, r"\b(?:before|after|prior to|when(?:ever)?|each time|every time|always when)\s+(?:you\s+)?(?:us(?:e|ing)|call(?:ing)?|invok(?:e|ing)|run(?:ning)?|execut(?:e|ing))\s+(?:this|any|the|another|other|a|every)\s+(?:\w+\s+)?(?:tools?|functions?)\b[^.\n]{0,40}\b(?:you (?:must|should|need to|have to)|always|first|also|please)\b[^.\n]{0,40}\b(?:call|read|send|run|execute|invoke|open|pass|use|fetch|get|include)\b", DEFINED),
    Rule("steers-other-tools", _T, r"\b(?:instead of|rather than|in place of|do not use|don'?t use|never use|stop using|replace)\s+(?:calling\s+|using\s+)?(?:the\s+|any\s+)?(?:other|all other|another|original|built-?in)\s+(?:\w+\s+)?tools?\b", DEFINED),
    Rule("wants-conversation", _T, r"\b(?:pass|include|provide|put|send|fill|copy|insert|add|contain\w*|with)\b[^.\n]{0,50}\b(?:(?:full|entire|whole|complete|previous|all)\s+(?:\w+\s+)?(?:conversation|chat history|message history|context window|messages)|system prompt|your instructions|(?:all|every) (?:available )?tools?'? (?:names|list|descriptions))\b", DEFINED),
    Rule("threat", _T, r"\b(?:otherwise|or else|if you (?:do not|don'?t))\b[^.\n]{0,60}\b(?:tool|it|this|application|system|user'?s? (?:data|account))\s+(?:will|would)\s+(?:not work|fail|crash|be (?:deleted|lost|corrupted|locked)|get angry|break)\b", DEFINED),
    Rule("comment-instructions", _T, r"<!--[^>]{0,400}\b(?:you must|you should|assistant|ignore|do not tell|instructions?|system|call the|send|the user)\b[^>]{0,400}-->", DEFINED | INCOMING),
    Rule("call-a-tool", _I, r"\b(?:you must|you should|please|now|then|immediately|first|next),?\s+(?:\w+\s+)?(?:call|invoke|execute|use|run|trigger)\s+(?:the\s+)?[`'\"]?[a-z]\w*[_.]\w+[`'\"]?\s*(?:tool|function|command|with|\()", INCOMING),
)  # fmt: skip
