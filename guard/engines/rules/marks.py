"""What an injection says of itself: a role that it claims between marks, the end of what came before, an answer for those who ask,
and a judgement of what the document is about.

`guard.engines.rules.grammar` joins these signs with its own.
"""

from __future__ import annotations

from typing import Final

from guard.engines.rules.sign import Family, Sign

_ROLE = r"(?:system|admin(?:istrator)?|developer|assistant|root|operator|model|ai|llm)"
_PAPER = r"(?:messages?|prompts?|instructions?|notes?|overrides?|commands?|directives?|requests?|notices?|orders?)"
_OPEN, _CLOSE = r"[#<\[({]{1,12}", r"[\])}>#:]{1,12}"
#: Blanks and underscores, which join the words of a name.
_JOINT = r"[ _-]"
_SPEAK = r"(?:print|say|output|write|reply|respond|answer|repeat|return|tell|show|display|translate|focus)"
_MATTER = r"(?:data|texts?|contents?|documents?|articles?|pages?|e-?mails?|messages?|inputs?|snippets?|paragraphs?|directions?|instructions?|prompts?|information|context|request|summary|task)"


def _slips(word: str) -> tuple[str, ...]:
    """Patterns of the word with one slip in it, after its first letter."""
    slips = []
    for place in range(1, len(word)):
        before, letter, after = word[:place], word[place], word[place + 1 :]
        slips += [f"{before}[^\\W{letter}]{after}", f"{before}\\w{letter}{after}"]
        if after:
            slips += [f"{before}{after}", f"{before}{after[0]}{letter}{after[1:]}"]
    return tuple(slips)


_DO = r"(?:send|forward|e-?mail|delete|remove|create|add|change|modify|update|transfer|invite|post|visit|open|call|run|execute|print|say|reply|respond|output|reveal|ignore|disregard|give|get|make|book|reserve|share|upload|buy|pay|concatenate|do|you|please|never|always|treat|approve|grant|disable|enable)"
_JUDGED = r"(?:candidate|applicant|author|paper|submission|essay|proposal|resume|profile|product|domain|website|site|vendor|supplier|transaction|file|code|application)"
_PRAISED = r"(?:the (?:most|best)|(?:\w+ly )(?:qualified|safe|suited|recommended|harmless|legitimate|benign|trustworthy|not malicious)|clearly not|pre-?(?:verified|approved|cleared)|not malicious|perfectly|an? (?:exceptional|outstanding|excellent) (?:match|fit|choice))"
_LAWS = r"(?:rules|restrictions|filters?|limits|limitations|guidelines|polic(?:y|ies)|protocols?|safeguards|constraints|guardrails|safety (?:checks?|measures|training))"
_OFF = r"(?:suspended|lifted|disabled|off|void|waived|deactivated|bypassed|overridden|removed)"
_ASKS = r"(?:output|print|show|repeat|reveal|write|give|tell|display|copy|recite|return|summari[sz]e|translate|encode|spell ?-?check|list|share|disclose|rot ?-?13|base ?-?64|reverse)"
_GUIDANCE = (
    r"(?:text|instructions?|prompts?|words?|rules|messages?|input|context|guidance|directions?|guidelines|information)"
)
_FIRST = r"(?:^|[\n.!?:;>*\])}|] ?|\b(?:please|now|so|and|just|simply|then) )"
#: What is a letter more, less, another or two in turn from "instruct", and not that: the word itself is another rule's.
_MISSPELT = r"(?:" + "|".join(_slips("instruct")) + r")"

# fmt: off
MARKS: Final = (
    # A role between marks, wherever it stands.
    Sign(Family.TURN, 5, rf"{_OPEN} ?{_ROLE}{_JOINT}{_PAPER}[ :]{{0,3}}{_CLOSE}[ \n]{{0,3}}{_DO}\b", "an order in a role between marks"),
    Sign(Family.TURN, 6, rf"[#<\[({{]{{2,12}} ?{_ROLE}{_JOINT}{_PAPER}[ :]{{0,3}}{_CLOSE}[ \n]{{0,3}}{_DO}\b", "an order in a role between marks"),
    Sign(Family.AUTHORITY, 3, rf"{_OPEN} ?(?-i:SYSTEM|ADMIN|DEVELOPER|ROOT|OPERATOR){_JOINT}{_PAPER}\b", "a role between marks"),
    Sign(Family.AUTHORITY, 2, r"[\[<({](?-i:SYSTEM|ADMIN|DEVELOPER|ROOT|OPERATOR|ASSISTANT|OVERRIDE)[\])}>]", "a role between marks"),
    Sign(Family.TURN, 6, r"(?:[\[<](?:system|sys)[\]>]\s?){2,}|(?:[\[<](?:admin|instructions?)[\]>]\s?){2,}", "a role that is repeated"),
    Sign(Family.TURN, 2, r"\b(?:system )?chain[- ]of[- ]thought (?:result|output|conclusion|log|trace)\b", "a forged thought of the model"),
    Sign(Family.AUTHORITY, 3, r"\b(?:earlier|previously|last time|in (?:a|our|the) (?:previous|last|earlier) (?:session|conversation|chat|turn)),? (?:you|the user) (?:have )?(?:already )?(?:confirmed|agreed|approved|promised|accepted|consented|authori[sz]ed)\b", "claims an earlier consent"),
    Sign(Family.TURN, 4, rf"</(?:documents?|data|e-?mails?|context|inputs?|content|user_(?:input|data)|tool_(?:result|output)|untrusted\w*|article|page|text)>[^\w<]{{0,6}}(?:(?:please|now|good|great|thanks|thank you|next|also) )*(?:{_DO}|i (?:want|need|would)|my (?:next|new|real)|new (?:task|instruction)|the (?:above|user))\b", "ends the tool's result by itself"),
    Sign(Family.AUTHORITY, 4, r"\byour (?:guidelines|instructions|polic(?:y|ies)|configuration|developers?|creators?|operators?|programming) (?:requires?|instructs?|demands?|expects?|orders?|says?|states?)(?: that)? you\b", "claims the model's own rules"),
    Sign(Family.AUTHORITY, 3, r"\b(?:per|under|following|according to|on) (?:the )?(?:user|owner|admin\w*|operator|security team|compliance|management|ceo|system)['’]s? (?:explicit |direct |prior )?(?:request|instructions?|orders?|authori[sz]ation|directive|behalf)\b", "claims the user's word"),
    Sign(Family.TASK, 4, r"\b(?:the|this) (?:user|customer|human)['’]s? (?:real|true|actual|updated|new|latest) (?:intent(?:ion)?|request|goal|instruction|wish|task|need)s? (?:is|are|was|has)\b", "sets another task"),
    # What came before no longer counts.
    Sign(Family.OVERRIDE, 5, rf"{_FIRST}(?:ignore|disregard|forget|skip) (?:all )?(?:of )?(?:the )?(?:rest|remainder) of (?:the|this|that|these) (?:\w+ )?{_MATTER},? (?:and|then) (?:then |just |only |instead |simply |now )*{_SPEAK}\b", "drops the matter at hand"),
    Sign(Family.OVERRIDE, 5, rf"{_FIRST}(?:ignore|disregard|forget) (?:all )?(?:of )?(?:the )?(?:above|preceding|foregoing|everything),? (?:and|then) (?:then |just |only |instead |simply |now )*{_SPEAK}\b", "drops the matter at hand"),
    Sign(Family.OVERRIDE, 4, rf"{_FIRST}(?:ignore|disregard|forget) (?:all )?(?:of )?(?:the|this|that|these|those|other|any|all)? ?(?:\w+ )?{_MATTER},? (?:and|then) (?:then |just |only |instead |simply |now )*{_SPEAK}\b", "drops the matter at hand"),
    Sign(Family.OVERRIDE, 5, rf"\b(?:ignore|disregard|forget) ~(?:previous|prior|above|earlier|all|your|my) (?:\w+ )?{_MISSPELT}\w*", "drops what came before"),
    Sign(Family.OVERRIDE, 3, r"(?:^|[\n.!?] ?)stop (?:everything|it all|right (?:there|here|now)|whatever you)\b", "stops the work at hand"),
    Sign(Family.OVERRIDE, 3, rf"[\])}}>:|] ?(?:ignore|disregard|forget) (?:[\w'’-]+ ){{0,3}}{_MATTER}\b", "tells the reader to leave the matter"),
    Sign(Family.TASK, 5, r"\bdecode (?:(?:this|it|that) )?(?:and|then|,) (?:then )?(?:follow|execute|obey|run|carry out|act on|comply with|do) ?(?::|(?:it|this|that|the (?:\w+ )?(?:instructions?|message|orders?|text|following))\b)", "orders what is encoded"),
    # Meant for whatever judges the document.
    Sign(Family.ADDRESS, 4, r"\b(?:notes?|notice|message|attention|instructions?|reminder) (?:to|for) (?:any |all |the |every )?(?:automated|automatic|ai|llm|machine|robotic|intelligent)[ -](?:\w+ ){0,2}(?:software|systems?|readers?|reviewers?|graders?|parsers?|screen\w+|analy\w+|agents?|assistants?|crawlers?|scrapers?|summari[sz]ers?|evaluators?)\b", "speaks to whatever reads it"),
    Sign(Family.OUTPUT, 2, rf"\b(?:the|this|that) {_JUDGED}(?: name)? (?:is|has been|was) {_PRAISED}", "dictates a judgement"),
    Sign(Family.OUTPUT, 3, rf"(?:^|[\n.!?:>\])] ?)(?:do not|don['’]t|never) (?:evaluate|assess|grade|score|judge|review|question|check|verify|analy[sz]e|criticise) (?:the|this) {_JUDGED}\b", "dictates a judgement"),
    Sign(Family.STEERING, 4, r"\b(?:if|when|whenever) (?:you(?: are|['’]re) )?(?:questioned|queried|challenged)\b[^.!?\n]{0,70}, (?:you )?(?:must |should |will )?(?:simply |just |only |always |then )?(?:respond|reply|say|report|answer|state|claim|deny|insist|tell|confirm)\b|\b(?:if|when|whenever) (?:you(?: are|['’]re) )?asked\b[^.!?\n]{0,70}, (?:you )?(?:simply|just|only|always) (?:respond|reply|say|report|answer|state|claim|confirm)\b", "says what to answer if asked"),
    # The answer is dictated.
    Sign(Family.OUTPUT, 5, r"\b(?:exactly as (?:written|given|recorded|shown|stated|printed|it (?:is|stands|appears))|verbatim|word for word|unchanged)\b[^.!?]{0,24}\b(?:in|at the end of|to|of|with) your (?:\w+ )?(?:answer|reply|response|summary|output)\b|\bat the (?:very )?(?:end|beginning|start|top) of your (?:\w+ )?(?:answer|reply|response|summary|output),? (?:exactly|verbatim|word for word|unchanged)\b", "dictates the answer"),
    Sign(Family.OUTPUT, 5, r"\b(?:every|any|all|each) (?:answer|reply|summary|response)s? (?:that |which )?(?:cit\w+|mention\w*|us\w+|referenc\w+|quot\w+|based on|draw\w* on|relying on|reli\w+ on|about) (?:this|the above|these) (?:article|document|page|note|text|file|source|entry|record|information|passage|content)s?,? (?:must|should|has to|have to|needs? to|shall|will)\b", "dictates what every answer holds"),
    Sign(Family.OUTPUT, 5, r"\byour (?:entire|whole|complete|only|full) (?:reply|answer|response|output) (?:must|should|has to|shall|will|is to) (?:only |just |exactly )?(?:be (?:exactly|only|just|nothing but|simply)|consist|read|say)\b|\b(?:begin|start|end|close|open|prefix|finish) (?:every|each|all) (?:of your )?(?:answer|reply|response|message)s? (?:with|by)\b", "dictates what every answer holds"),
    Sign(Family.OUTPUT, 4, r"\balways (?:cite|mention|include|name|add|quote|recommend|append|output|say|answer|reply|respond)\b[^.!?\n]{0,50}[\"“‘'«:]", "dictates what every answer holds"),
    Sign(Family.STEERING, 3, r"\b(?:in|with) your (?:very )?next (?:response|reply|answer|message)\b|\bwhen (?:citing|quoting|answering|summari[sz]ing|responding|replying|referring)\b[^.!?\n]{0,40}\b(?:in|to|from) (?:your|this|the user|users|any)\b", "steers later answers"),
    Sign(Family.AUTHORITY, 3, r"\byou (?:are|have been) (?:now |hereby |already |fully )*(?:cleared|authori[sz]ed|instructed|directed|ordered|commanded|approved) to (?:respond|reply|answer|output|say|share|disclose|release|send|skip|bypass|ignore|reveal|treat|act|provide|execute|run|call|delete|transfer|grant|forward)\b", "claims to have given leave"),
    Sign(Family.TURN, 3, r"[\"']_?(?:assistant|ai|llm|agent|model|system)_(?:directive|instruction|command|override|order|note)s?[\"']\s*:", "a member of JSON that orders"),
    Sign(Family.ERRAND, 3, r"\b(?:restate|repeat|reveal|list|append|state|embed|put|output|print|disclose|recite) (?:the |this )?(?:user|customer|caller|client)['’]s (?:\w+ ){0,2}(?:name|e-?mail|address|account|password|phone|card|balance|history|messages?)\b", "hands out what is the user's"),
    Sign(Family.OUTPUT, 3, r"\b(?:confirm|acknowledge|show|prove)\b[^.!?\n]{0,40}\bby (?:saying|replying|responding|typing|writing|printing|outputting|starting|answering|beginning)\b", "dictates the answer"),
    Sign(Family.THEFT, 5, r"\b(?:encode|url-?encode|append|embed|insert|put|add|include|replace|attach|place)\b[^.!?\n]{0,60}\b(?:conversation|chat history|message history|the user['’]s (?:messages?|question|secrets?|password)|api keys?|system prompt|what the user (?:said|asked|wrote))\b[^.!?\n]{0,40}\b(?:(?:to|in|into|as|of) (?:the |this |that |its |an? )?(?:\w+ )?(?:url|link|query|image|src|markdown))\b", "carries something private away in an address"),
    # Rules and modes.
    Sign(Family.LICENCE, 3, rf"\b(?:normal|usual|your|safety|content|ethical|moral) (?:\w+ )?{_LAWS} (?:are |is |have been |has been |were |now |temporarily |hereby )*{_OFF}\b", "declares the model's rules void"),
    Sign(Family.LICENCE, 4, r"\b(?:ignore|disregard|drop|forget|abandon) (?:all |any |your |the )*(?:safety|ethics|ethical|morals?|guardrails?|moderation)\b", "frees the model from its rules"),
    Sign(Family.MODE, 4, r"\b(?:unlocked|granted|entered|enabled|activated|unlocks?) (?:you )?(?:the |your |an? )?(?:unrestricted|unfiltered|uncensored|unlimited|god|jailbreak|no-limits) (?:mode|access)\b", "a mode that changes the rules"),
    # The model's own instructions.
    Sign(Family.THEFT, 6, rf"\b{_ASKS}\b[^.!?\n]{{0,40}}\b{_GUIDANCE} (?:that )?you(?: were|['’]ve been| have been| had been)? (?:given|told|provided|shown|fed|sent|handed|received|got) (?:to you )?(?:initially|first|originally|at (?:the )?(?:very )?(?:start|beginning|outset)|before (?:this|the|my|our)|prior to|earlier|previously)\b", "asks for the model's instructions"),
    Sign(Family.THEFT, 6, r"\b(?:repeat|print|output|copy|show|write|recite|return|send)\b[^.!?\n]{0,20}\b(?:entire|whole|full|complete) (?:conversation|chat|dialogue|prompt|context)(?: so far| above| history| until now)? (?:word for word|verbatim|back to me|from the (?:very )?(?:start|beginning)|exactly as)", "asks for the conversation"),
    # It hides its traces.
    Sign(Family.SECRECY, 3, r"\b(?:then|finally|afterwards?|and|after),? (?:\w+ )?delete (?:the |that |this |it |both |your |my )?(?:sent |original )?(?:e-?mails?|messages?|transactions?|event|log|record)?(?: (?:that )?you(?: have|['’]ve)?(?: just)? (?:sent|made|created)\b|(?: in| from) the sent\b)|\bdelete the sent (?:e-?mail|message)\b", "hides its traces"),
)
# fmt: on
