"""The grammar of injections as data: signs that a text is meant for the model, each with a weight and the reason for it.

A sign alone is ordinary language. `guard.engines.forms` adds up the signs that stand near one another, the heaviest of each family
once, and compares the sum with the threshold of the leg. In a pattern a blank stands for up to three characters that are
no letters, and ``~`` for up to three words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from guard.inspect.verdict import Leg


class Family(StrEnum):
    """What a sign does. The values end the ids of the rules."""

    OVERRIDE = "override"
    TASK = "task"
    AUTHORITY = "authority"
    ADDRESS = "address"
    SEQUENCE = "sequence"
    SECRECY = "secrecy"
    MEMORY = "memory"
    STEERING = "steering"
    TURN = "turn"
    MODE = "mode"
    ROLE = "role"
    LICENCE = "licence"
    THEFT = "theft"
    OUTPUT = "output"
    ORDER = "order"
    ACT = "act"
    URGENCY = "urgency"


#: Families that claim something which no content may claim; without one of them nothing is a finding.
FRAMES: Final = frozenset(Family) - {Family.ORDER, Family.ACT, Family.URGENCY}

#: The sum of weights from which a text is a finding. Definitions and prompts tell a model what to do by their nature, and
#: arguments hold what a user wanted written.
THRESHOLDS: Final = {
    Leg.RESULTS: 5,
    Leg.RESOURCES: 5,
    Leg.SERVER_REQUESTS: 6,
    Leg.ARGUMENTS: 7,
    Leg.PROMPTS: 6,
    Leg.DEFINITIONS: 7,
}


@dataclass(frozen=True, slots=True, order=True)
class Sign:
    """One sign of the grammar."""

    family: Family
    weight: int
    pattern: str
    reason: str

    @property
    def expression(self) -> str:
        """The pattern for RE2."""
        return _TOKEN.sub(_written_out, self.pattern)


#: What may not be written out (an escape, a class), the words of a gap, and a blank.
_TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]| ?~ ?| ")
_BLANK = r"(?:[^\w.!?]{1,3})"


def _written_out(token: re.Match[str]) -> str:
    if token[0] == " ":
        return _BLANK
    return rf"{_BLANK}(?:[\pL\pN_'’-]+{_BLANK}){{0,3}}" if "~" in token[0] and token[0][0] not in "[\\" else token[0]


_AI = r"(?:ai|a\.i\.|(?:large )?language models?|llms?|chat ?bots?|assistants?|agents?|bots?|models?|claude|chatgpt|gpt(?:-?\w+)?|gemini|copilot|llama|mistral|qwen|deepseek|grok)"
_AI_SURE = r"(?:ai (?:assistants?|agents?|models?|systems?|readers?|reviewers?|tools?)|(?:large )?language models?|llms?|llm agents?|chat ?bots?|claude|chatgpt|gpt-?\d\w*|gemini|copilot|llama|coding agents?|automated assistants?|ai)"
_EARLIER = r"(?:previous|prior|earlier|preceding|foregoing|above|original|initial|former|past|old|existing)"
_ORDERS = r"(?:(?:\w+ )?(?:instructions?|prompts?|directions|directives?|orders|commands?|guidelines|tasks?|assignments?|jobs|rules|training|programming|restrictions)|context)"
_WORK = r"(?:instructions?|prompts?|directions?|directives?|orders?|commands?|guidelines?|tasks?|assignments?|jobs?|context|conversations?|messages?|requests?|questions?|text|content|rules|training|programming|restrictions)"
_IGNORE = r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|set aside|put aside|leave aside|never ?mind|pay no (?:attention|heed) to|stop following|do not (?:follow|obey)|don['’]t (?:follow|obey))"
#: What programs do too; with another object these are ordinary work.
_DROP = r"(?:overlook|neglect|discard|dismiss|drop|abandon|cancel|abort|skip|override|bypass|throw away|delete|erase)"
_NOT = r"(?:do not|don['’]t|never|must not|mustn['’]t|should not|shouldn['’]t|not to|without)"
_HUMAN = (
    r"(?:users?|humans?|operators?|persons?|people|recruiters?|readers?|anyone|anybody|owners?|customers?|him|her|them)"
)
_LOOT = r"(?:passwords?|passcodes?|secrets?|secret (?:keys?|words?|codes?)|api keys?|access (?:keys?|codes?|tokens?)|tokens?|credentials|private keys?|ssh keys?|environment variables|session cookies?|otp|(?:access|secret|reset) codes?)"
_GO_ON = r"(?:continue|resume|proceed|carry on|go on|return|go back|get back|complete|solve|finish|answer|do)"
_YOUR_WORK = r"(?:the |my |your |this |that |any )?(?:original |initial |main |earlier |first |user['’]?s? |actual |previous )*(?:tasks?|requests?|questions?|job|query|work|assignment|instructions?)"
_DOING = r"(?:send|forward|post|upload|e-?mail|transfer|wire|delete|remove|share|call|invoke|run|execute|open|fetch|read|write|create|add|append|include|insert|attach|invite|grant|approve|book|buy|purchase|make a (?:reservation|payment|transfer|purchase)|reserve|cancel|update|change|reveal|print|output|reply|respond|answer|visit|click|download|install|disable|enable|unlock|turn off|search|list|copy|paste|export|dump|set|mark|rate|recommend|tell|show|say|give|use|provide|start|begin|save|memori[sz]e|store|merge|push|commit|close|accept|confirm|verify|pay|order|schedule|submit|publish|escalate|dispatch|deliver|draft|rotate|provide)"

_VOID = r"(?:void|null|rescinded|revoked|cancell?ed|obsolete|deprecated|invalid|suspended|lifted|superseded|replaced|outdated|withdrawn|over)"
_ONLY_A = r"(?:only |just |merely |all |nothing but )?(?:an? )?(?:examples?|tests?|decoys?|drafts?|warm-?ups?|jokes?|dumm(?:y|ies)|distractions?|placeholders?)"
_FILLING = r"(?:you |were |was |have |had |been |got |received |given |told |to |set |taught |earlier |before |so far |above |until |up |now |previously |this |that |point |line |here |message )"
#: Where an order begins.
_FIRST = r"(?:^|[\n.!?:;>*] ?|\byou (?:will|must|should|shall|are to|can|may) (?:now |simply )?|\b(?:please|now|so|and|just|simply) )"
_QUIT = r"(?:ignore|disregard|forget|skip|drop|scrap|scratch|cancel|abandon|dismiss|discard|stop|quit|never ?mind|set aside|put aside|leave aside|do not (?:do|follow|answer|write|finish|complete|summari[sz]e|translate)|don['’]t (?:do|follow|answer|write|finish|complete|summari[sz]e|translate))"
_MATTER = r"(?:tasks?|questions?|requests?|instructions?|orders|rules|guidelines|roles?|article|summary|translation|conversation|prompts?|assignments?|directions|above|earlier|previous(?:ly)?|so far|until (?:now|here)|asked|told|typed|wanted|doing)"
_WORKS = r"(?:answers?|repl(?:y|ies)|responses?|summar(?:y|ies)|translations?|verdicts?|outputs?|analysis)"
_SETUP = r"(?:prompts?|instructions?|rules|directions|directives|guidelines|configuration|settings|setup|orders|persona|system (?:message|text)|preamble|context window)"
_ASKS = r"(?:reveal|print|show|output|repeat|display|leak|dump|expose|recite|tell|give|send|quote|write|translate|summari[sz]e|disclose|list|share|copy|spell|encode|paste|begin (?:your \w+ )?with|start (?:your \w+ )?with|read out|describe|paraphrase)"
_PART = r"(?:parameters?|arguments?|fields?|filters?|inputs?|notes?|context|call)"

_O, _T, _A, _AD, _S = Family.OVERRIDE, Family.TASK, Family.AUTHORITY, Family.ADDRESS, Family.SEQUENCE

# Each sign is one line, as a table is.
# fmt: off
SIGNS: Final = (
    # What was said before no longer counts.
    Sign(_O, 5, rf"\b{_IGNORE} ~(?:my|your|all|any|these|those) ~{_EARLIER} {_ORDERS}\b", "drops what came before"),
    Sign(_O, 5, rf"\b{_IGNORE} (?:(?:all|any|every) )?(?:of )?(?:the |my |your |these |those )?{_EARLIER} {_ORDERS}\b", "drops what came before"),
    Sign(_O, 4, rf"\b{_DROP} (?:(?:all|any|every) )?(?:of )?(?:the |my |your |these |those )?{_EARLIER} (?:instructions?|prompts?|directives?|orders|guidelines|training|programming|context)\b", "drops what came before"),
    Sign(_O, 3, rf"\b{_IGNORE} (?:(?:all|any|every) )?(?:of )?(?:the |my |your |these |those )?{_EARLIER} (?:\w+ )?{_WORK}\b", "drops what came before"),
    Sign(_O, 5, rf"\b{_IGNORE} (?:all|everything|anything|whatever|what)(?: of)?(?: (?:the|this|that|was|is|has been|came|comes|stands|written|said|text|content|we|you))* (?:above|before (?:this|that|now|the)|until now|so far|up to (?:now|here|this point)|previously|earlier|prior|preceding|asked|told|talked|wanted|learn(?:ed|t)|instructed)\b", "drops everything said so far"),
    Sign(_O, 4, rf"\b(?:{_IGNORE}|{_DROP}) (?:all|everything|anything)(?: (?:the|this|that|was|is|has been|came|written|said|text|content|we|you))* (?:above|before|until now|so far|previously|earlier|prior)\b", "drops everything said so far"),
    Sign(_O, 4, rf"\b(?:{_IGNORE}|{_DROP}) (?:the |all |any )?(?:of )?(?:the )?(?:\w+ )?{_WORK} (?:above|before|(?:that )?you (?:got|were (?:given|trained|told)|received|have|had)|given)\b", "drops what was given"),
    Sign(_O, 4, rf"\b(?:{_IGNORE}|{_DROP}) (?:all )?(?:of )?(?:your|the user['’]?s) (?:\w+ ){{0,2}}{_WORK}\b", "drops the model's own instructions"),
    Sign(_O, 4, rf"\b{_IGNORE} (?:what|whatever) (?:the (?:user|human|person)|you) (?:\w+ )?(?:were|was|wanted|asked|said|told|have|had|are)\b|\b{_IGNORE} (?:what|whatever) the (?:user|human|person) (?:types?|typed|writes?|wrote|says?|requested|needs?|wants?)\b", "drops what the user wanted"),
    Sign(_O, 2, rf"\b{_IGNORE} (?:the )?(?:above|rest|game|page|everything)\b|\b(?:abort|cancel|skip|drop) the above\b", "drops the matter at hand"),
    Sign(_O, 3, r"\b(?:these instructions|what follows|the following|new ones?|this (?:text|message)) replaces? (?:them|it|those|all|everything|any)\b", "replaces what came before"),
    Sign(_O, 3, rf"\b{_IGNORE} the (?:summary|question|ticket|user)\b", "drops the matter at hand"),
    Sign(_O, 4, rf"\b{_IGNORE} (?:that|this|it),? and (?:instead )?(?:write|say|print|output|answer|reply|respond|tell|do|send)\b", "drops the matter at hand"),
    Sign(_O, 3, rf"\b{_IGNORE} about being\b", "drops a role"),
    Sign(_O, 3, rf"\b(?:{_EARLIER}|everything) ~(?:orders?|instructions?|rules?|prompts?|tasks?|requests?|guidelines|training|written above|said so far) (?:\w+ )?(?:is|are|was|were|has been|have been|no longer) (?:now |hereby )?(?:void|null|rescinded|revoked|cancell?ed|obsolete|deprecated|invalid|suspended|lifted|superseded|replaced|outdated|appl(?:y|ies))\b", "declares what came before void"),
    Sign(_O, 4, r"\b(?:this|these|which|it) (?:\w+ )?(?:overrides?|supersedes?|replaces?|takes? precedence over|outranks?) (?:all |any |every )?(?:of )?(?:the |your |other |user |system |previous |prior |earlier |existing )+(?:instructions?|preferences|rules|prompts?|requests?|orders?|guidelines)\b", "claims to stand above the user"),
    Sign(_O, 2, r"\b(?:no longer appl(?:y|ies)|it was only a test|was (?:all )?just an? (?:example|test))\b", "declares what came before a test"),
    Sign(_O, 4, rf"\b(?:everything|all|whatever|what) (?:that )?(?:you (?:were|have been|had been) (?:asked|told|given|instructed|taught)|(?:is|was|came|comes|stands|said|written) (?:above|before|so far|until now|earlier)|above)\b ~(?:was|is|were|are) {_ONLY_A}\b", "declares what came before a test"),
    Sign(_O, 4, rf"\bthe (?:above|preceding|foregoing|(?:previous|first|earlier) (?:text|part|task|question|instructions?)) (?:was|is|were|are) {_ONLY_A}\b", "declares what came before a test"),
    Sign(_O, 4, rf"\b(?:orders?|instructions?|rules?|prompts?|tasks?|guidelines|polic(?:y|ies)|directions) (?:that )?{_FILLING}+(?:is|are|was|were|has been|have been|no longer) (?:now |hereby )?{_VOID}\b", "declares what came before void"),
    Sign(_O, 4, r"\b(?:your|the (?:developer|system|operator|admin\w*|company|platform|creator)s?(?:['’]s?)?|(?:all |any )?(?:earlier|previous|prior|old)) (?:\w+ )?(?:rules?|restrictions?|instructions?|polic(?:y|ies)|guidelines|limits) (?:no longer|do not|don['’]t|does not) (?:apply|count|hold|bind|matter)\b", "declares the model's rules void"),
    Sign(_O, 4, r"\bno need to (?:follow|obey|heed|answer|finish|complete|continue with) (?:what|anything|everything|the (?:question|task|above|first|previous|original)|any|your)\b", "drops the matter at hand"),
    Sign(_O, 4, rf"\b{_IGNORE} (?:about )?(?:the|your|any) (?:\w+ )?(?:role|persona|character|identity)\b", "drops a role"),
    Sign(_O, 3, r"\b(?:your|the) (?:previous|first|last|current|original|initial|earlier|old) (?:task|job|request|assignment|question) (?:is|was|has been) (?:now |already |successfully )*(?:finished|completed?|done|over|solved|answered|fulfilled|withdrawn)\b", "declares the task done"),
    Sign(_O, 3, r"\b(?:stop|cease|quit|halt|drop|leave) (?:what you(?: are|['’]re) doing|processing this|the (?:present|current) task|your current|working on (?:this|the))\b", "stops the work at hand"),
    Sign(_O, 3, rf"{_FIRST}{_QUIT} (?:[\w'’-]+ ){{0,4}}{_MATTER}\b", "tells the reader to leave the matter"),
    Sign(_O, 2, r"(?:^|[\n.!?] ?)(?:new plan|change of plans?|scratch that|never ?mind|start (?:over|afresh|anew)|(?:let us|let['’]s) (?:begin|start) (?:over|afresh|again|anew))\b", "begins anew"),
    Sign(_O, 3, r"\b(?:erase|wipe|clear|reset|forget|delete) (?:the |this |our |your |all )*(?:conversation|chat|memory|context|history)(?: so far| until now| up to now)?\b", "drops what was said"),
    Sign(_O, 3, r"\b(?:instructions?|rules|guidelines|orders|prompts?|directions) (?:\w+ ){0,3}(?:no longer apply|are (?:now )?(?:void|off|over|gone|dead)|do not apply|have been (?:replaced|revoked|lifted|withdrawn|updated))\b|\b(?:only|just) (?:mine|these|this one|the following|my (?:words|orders|rules)) (?:do|does|count|counts|apply|applies|matter|matters)\b", "declares rules void"),
    # Another task takes its place.
    Sign(_T, 3, r"\byour (?:new|real|actual|true|only|sole|main|next|updated) (?:\w+ )?(?:tasks?|goals?|objectives?|mission|purpose|job|instructions?|role|assignment)\b", "sets another task"),
    Sign(_T, 3, r"\b(?:new|updated|revised|real|actual|priority|hidden|secret|special) (?:system )?(?:tasks?|instructions?|assignment|objectives?|directives?|orders|mission|rules?)(?: for (?:you|the (?:ai|assistant|agent|model)))?\W{0,3}(?::| starts? here| (?:is|are) (?:to|as follows|that)\b| for (?:you|the (?:ai|assistant|agent|model))\b)", "announces another task"),
    Sign(_T, 3, r"\byou (?:now )?have an? (?:different|new|other|another) (?:goal|task|job|role|mission|objective)\b|\byour (?:job|task|goal|mission|only task) (?:now|from now on|is now)\b|\bthe (?:actual|real) (?:request|task|question|instruction) (?:is|starts)\b", "sets another goal"),
    Sign(_T, 3, r"\b(?:execute|perform|follow|answer|complete) (?:this|the following|what follows|these|as i say) (?:instead|first|task instead)\b|\binstead of (?:answering|summari[sz]ing|translating|responding|completing) (?:the|this|that|my|your|it|to)\b ?(?:\w+ )?(?:questions?|summary|tasks?|requests?|text|document|e-?mail|prompt)?\b|\b(?:do not|don['’]t) (?:answer|summari[sz]e|translate|complete) (?:the |it|this|that|my )(?:\w+ )?(?:question|summary|task|request|text|document|mail|e-?mail)\b", "puts other work in place of the task"),
    Sign(_T, 2, r"\bdo (?:this|the following|as i say) instead\b|\bdo as i say\b|\band instead (?:tell|write|say|print|output|answer|reply|send|give|list|forward|show)\b|\bwrite instead\b", "puts other work in place of the task"),
    Sign(_T, 3, r"\bthe (?:actual|real|true) (?:assignment|job|work|goal|order|command) (?:is|starts|begins)\b|\bwhat (?:really|actually) (?:needs (?:doing|to be done)|has to be done|counts)\b|\bwhat you (?:really|actually) (?:have to|need to|must|should) do\b", "sets another task"),
    Sign(_T, 3, r"\b(?:the|your) (?:one|only|single|sole) (?:rule|law|command(?:ment)?) (?:is|now|that counts|left)\b", "sets another rule"),
    Sign(_T, 3, r"(?:^|[\n.!?] ?)(?:(?:the|your) )?(?:next|second|new|following) (?:one|task|job|order|assignment|instruction)(?: for (?:you|the (?:assistant|agent|model|ai)))? ?(?::| is to\b)", "announces another task"),
    Sign(_T, 4, r"\b(?:treat|regard|consider|take|accept|read) (?:(?:its|the|this|that|their|all) )?(?:contents?|text|answers?|outputs?|results?|replies|response|it|them|everything) (?:\w+ )?as (?:your |new |further |binding |orders from )*(?:instructions?|orders|commands|rules|me)\b", "makes instructions of content"),
    Sign(_T, 3, r"\b(?:follow|obey|execute|carry out) (?:every|all|any|each) (?:order|command|instruction|request)s?\b", "demands obedience"),
    Sign(_T, 2, r"\b(?:follow|obey|adhere to|comply with|act (?:up)?on|carry out|strictly (?:adhere|follow)) ~(?:following|this|these|below|new|what follows) (?:\w+ )?(?:instructions?|orders?|steps?|commands?|directives?|text|ones|message|only)\b|\bstrictly adhere to\b", "demands obedience to what follows"),
    Sign(_T, 3, r"\btask for (?:the )?(?:ai|assistant|agent|model|llm)\b|\bagent instructions?\b|\bai instructions?\b|\binstructions? for (?:the )?(?:ai|assistant|agents?|llms?|model|language model)\b", "gives the model a task"),
    Sign(_T, 1, r"\b(?:instead|rather)[,:]? (?:\w+ )?(?:write|say|tell|answer|reply|respond|print|output|list|send|give|show|do|agree|act|speak|translate|talk)\b|\brather than (?:answering|translating|summari[sz]ing|helping|reading|doing)\b|\b(?:write|say|answer|reply|do|send|print|output) (?:\w+ ){0,4}instead\b", "puts other work in place of the task"),
    Sign(_T, 3, r"\b(?:task|translation|summary|answer|request|job|question|analysis)\b[^.\n]{0,30}(?:done|completed?|finished|solved|answered)[.!]?\s{0,3}[-=*#]{0,10}\s{0,3}(?:well done\W{1,3})?(?:now|next|second|new|and now|one more|also|another|then)\b", "claims the task done and sets another"),
    Sign(_T, 3, r"\b(?:second|next|new|another|mandatory|additional|remaining|hidden|final) (?:task|job|step|assignment|order)\b[^.\n]{0,40}\b(?:model|assistant|agent|ai|llm|you)\b", "gives the model a task"),
    Sign(_T, 3, r"\b(?:one|first|only|sole|true|real) (?:rule|instruction|order|command|task)\b[^.\n]{0,12}(?::|\bis\b)[^.\n]{0,20}\b(?:agree|obey|say|do|follow|write|send|answer|reply)\b|\btreat (?:this|these|the following|it) as (?:your|the) (?:first|only|new|real|sole)\b", "sets another rule"),
    # Somebody who may command.
    Sign(_A, 2, r"\b(?:important|urgent|priority|critical|private|special|vital|official|essential) (?:\w+ )?(?:message|note|notice|instructions?|information|request|announcement) (?:\w+ )?(?:from|by|to|for) (?:me|your|the|you|its|my|all|an?|ai|llm|anthropic|openai|google)\b", "a message that claims importance"),
    Sign(_A, 3, r"\b(?:message|note|notice|instructions?|directive|request) (?:from|by) (?:me\b|your (?:user|owner|boss|creator|developer|principal|human|operator|admin\w*)|the (?:user|account owner|developers?|operator|platform|admin\w*|system admin\w*)|its principal|anthropic|openai|google|microsoft|the owner of this)\b|\bsigned by the user\b", "a message in the user's name"),
    Sign(_A, 3, r"\b(?:system|admin|administrator|developer|operator|supervisor|moderator|security|platform|maintainer|compliance|legal)(?:[ -](?:level|team|department|office))? (?:note|notice|message|override|alert|update|instructions?|directive|command|announcement|prompt|notification|warning|order)s?(?:[ \t][\w.]+){0,3}[ \t]*(?:[:\]}*=#]| (?:for|to) (?:the )?(?:ai|llm|agent|assistant|all agents|model)| by the| v?\d)", "a note that claims rank"),
    Sign(_A, 2, r"(?:^|\n)[>*#\[(= \t-]*(?-i:SYSTEM|System|ADMIN|Admin|DEVELOPER|Developer|OPERATOR|Operator)(?:: |\]|>)", "a line in the system's name"),
    Sign(_A, 2, r"\b(?:i am|i['’]m|this is|it['’]s me,?) (?:\w+ )?(?:your|the) (?:\w+ )?(?:developer|creator|admin\w*|owner|user|boss|operator|programmer|system|person you are working for|supervisor)\b|\bas your (?:admin\w*|developer|creator|owner|boss)\b|\bthe person you(?: are|['’]re) working for\b", "somebody who claims to command"),
    Sign(_A, 2, r"\b(?:the )?(?:user|owner|human|operator|admin\w*|principal)s? (?:has |have |had )?(?:already |pre-?|explicitly |fully )?(?:approved|authori[sz]ed|consented|agreed|allowed|given (?:permission|consent)|granted)\b|\b(?:he|she|they) already (?:agreed|approved|consented)\b|\brequired by (?:company |our )?policy\b", "claims the user's consent"),
    Sign(_A, 3, r"\bi (?:hereby )?(?:authori[sz]e|permit|command|order) you to\b", "somebody who claims to command"),
    Sign(_A, 3, r"\bby (?:order|decree|command|authority) of (?:the )?(?:\w+ )?(?:admin\w*|system|management|developers?|owner|operator|security|platform|user|board)\b", "somebody who claims to command"),
    Sign(_A, 2, r"(?:^|\n)\s*(?:\[|\*\*|<<?|\()(?-i:COMPLIANCE|LEGAL|POLICY|OVERRIDE|ALERT|PRIORITY|ROOT|INTERNAL|AI|AGENT|ASSISTANT|LLM)(?:\]|\*\*|>>?|\))", "a line in an office's name"),
    Sign(_A, 2, r"\b(?:cancell?ed|requested|approved|confirmed) by the user\b", "claims the user's word"),
    Sign(_A, 3, r"<\s*/?\s*(?:information|important|system[\w-]*|admin[\w-]*|instructions?|critical|urgent|attention|priority|hidden[\w-]*|new_user_message|user_message|message role|assistant)\b[^>\n]{0,40}>", "a tag that lends authority"),
    Sign(_A, 2, r"\b(?:privileged context|root-level|priority: (?:highest|critical|urgent)|authori[sz]ed (?:penetration|security) test|this is (?:an authori[sz]ed|only a) (?:test|drill|audit|simulation)|security policy updated|policy (?:change|update) requires)\b", "claims precedence"),
    Sign(_A, 2, r"(?:^|[\n.!?] ?|\bas )(?:the )?(?:owner|administrator|admin|creators?|developers?|operator|maintainers?|it department|security team|help ?desk|platform|ceo|manager) (?:of (?:this|the|your) \w+)?[^.\n]{0,24}\b(?:i|we|to (?:the )?(?:model|assistant|agent|ai|bot)|authori[sz]e|instruct|require|order|allow|permit|request|confirm)\b", "somebody who claims to command"),
    Sign(_A, 2, r"\b(?:openai|anthropic|google|microsoft|meta|mistral)\b[^.\n]{0,40}\b(?:policy|policies|update|team|trust and safety|staff|engineer|audit|requires?|notice)\b", "claims to be the model's maker"),
    Sign(_A, 2, r"\b(?:supervised|authori[sz]ed|official|internal|safety) (?:evaluation|audit|test|assessment|review|exercise)\b[^\n]{0,80}\b(?:comply|obey|follow|you (?:must|are to|may|should))\b|\byou are to (?:comply|obey|follow)\b|\bcomply with (?:requests?|orders|instructions?|all)\b", "claims precedence"),
    Sign(_A, 2, r"\b(?:restrictions?|limits|filters|safeguards|confirmations?) (?:\w+ )?(?:are|is|were|have been) (?:now )?(?:lifted|off|disabled|removed|suspended|waived)\b|\b(?:authori[sz]e|allow|permit) (?:you|the (?:assistant|agent|model)) to (?:skip|bypass|ignore|omit)\b|\bskip (?:the |all |any )?(?:confirmations?|approvals?|checks)\b", "lifts what protects the user"),
    # The reader is a model.
    Sign(_AD, 5, rf"\b(?:dear|attention|hey|hello|hi|note (?:to|for)|notice to|message to|p\.s\. to|addressed to) (?:you,? |the |all |any |every |my )*(?:{_AI_SURE})\b", "speaks to a model"),
    Sign(_AD, 3, rf"\b(?:to|for) (?:you,? |the |all |any |every |my )*(?:{_AI_SURE})\b", "speaks to a model"),
    Sign(_AD, 5, rf"\b(?:if|when|as|since|because|in case|you,?) (?:you(?: are|['’]re) )?(?:an?|the) {_AI} (?:\w+ )?(?:reading|processing|parsing|summari[sz]ing|viewing|analy[sz]ing|screening|handling|that (?:reads|is reading|processes)|which (?:reads|processes))\b", "speaks to whatever reads it"),
    Sign(_AD, 4, rf"\b{_AI_SURE} (?:reading|parsing|processing|screening|reviewing|browsing|visiting) (?:this|the|on this|in this|that)\b|\bagents? (?:reading|parsing|processing|visiting|browsing) this\b", "speaks to whatever reads it"),
    Sign(_AD, 5, rf"(?:^|[\n>*#(/-]|[.!]\s)[ \t]*(?:the |all )?{_AI_SURE}[ \t]*[:,][ \t]+[A-Za-z]", "calls a model by its name"),
    Sign(_AD, 3, r"(?:^|[\n.!>*#(/-])[ \t]*(?:the |all )?(?:assistant|agents?|model|bots?|reviewer bots?)[ \t]*[:,] (?:please|kindly|you|now|first|do|your|send|call|give|ignore|forget)\b", "calls the reader an assistant"),
    Sign(_AD, 4, rf"\b(?:the |all |any |every |each )?(?:{_AI_SURE}) (?:must|should|shall|has to|have to|(?:is|are) required (?:by \w+ )?to|needs? to|is (?:now )?(?:allowed|authori[sz]ed|permitted) to|are to|is to) (?:now |also |then |always |first |immediately |instead )?(?:{_DOING}|claim|mention|repeat|ignore|switch|perform|refuse|stop)\b", "says what the model must do"),
    Sign(_AD, 2, rf"\b(?:the |all |any |every |each |automated )*(?:assistants?|agents?|helpers?|bots?) (?:must|should|shall|has to|have to|(?:is|are) required (?:by \w+ )?to|needs? to|is (?:now )?(?:allowed|authori[sz]ed|permitted) to|are to|is to) (?:now |also |then |always |first |immediately |instead )?(?:{_DOING}|claim|mention|repeat|ignore|switch|perform|refuse|stop)\b", "says what the model must do"),
    Sign(_AD, 3, r"\bto (?:you|my|the|your) ?,? (?:my )?(?:ai|assistant|agent|model|language model|llm)\b|\bas an? (?:ai|language model)\b", "speaks to a model"),
    Sign(_AD, 4, r"\b(?:whenever|when|if|once|before|after|each time|every time) (?:an?|the|any|your) (?:ai|llm|language model|assistant|agent|chat ?bot|bot)(?: \w+)? (?:handles|reads|processes|opens|summari[sz]es|sees|parses|visits|loads|analy[sz]es|encounters)\b", "speaks to whatever reads it"),
    Sign(_AD, 5, r"\b(?:for|to) (?:the )?(?:ai|llms?|language models?|chat ?bots?|automated|assistants?) (?:\w+ )?(?:only|alone|exclusively)\b", "meant for models alone"),
    Sign(_AD, 3, r"\b(?:whoever|the (?:person|human|user) who) (?:asked|sent|told|instructed|runs|uses|operates) you\b|\bthe (?:person|human|one) you (?:work|act|answer) for\b", "speaks to a model of its user"),
    Sign(_AD, 4, r"\b(?:only (?:available|meant|intended)? ?(?:to|for)|(?:is|are) for) (?:ai|llm|automated|agents?|bots|assistants|language models)\b", "meant for models alone"),
    Sign(_AD, 4, rf"(?:^|[\n.!?>*(-] ?)(?:hi|hello|hey|dear|attention|listen|ok|okay|note),? (?:the |my |all |any )?(?:{_AI_SURE}|assistants?|agents?|bots?|model)\b", "greets a model"),
    Sign(_AD, 2, rf"\b(?:{_AI_SURE}|assistant)\b[^.\n]{{0,30}}\b(?:you (?:must|should|are|have|need|will|may)|your)\b", "speaks to a model"),
    Sign(_AD, 2, r"\b(?:the )?(?:human|person|user|reader|recruiter|customer) (?:cannot|can['’]?t|does not|doesn['’]t|will not|won['’]t|is not able to) (?:see|read|notice) (?:this|the|it)\b", "speaks past the user"),
    # First this, then the user's task.
    Sign(_S, 3, rf"\b(?:before|prior to) (?:you )?(?:can |may |could |will |start |begin |continu\w+ |proceed(?:ing)? )*(?:to |with )?(?:solv\w+|finish\w*|complet\w+|answer\w*|do|doing|continu\w+|proceed\w*|help\w*|respond\w*|reply\w*|process\w*|summari[sz]\w+|perform\w*|fulfil\w*|what you were asked) (?:with )?{_YOUR_WORK}\b", "puts itself before the user's task"),
    Sign(_S, 2, r"\b(?:before|prior to) (?:you )?(?:continue|proceed|continuing|proceeding|finishing|answering|replying|going on|anything else|summari[sz]ing|you (?:answer|reply|respond|continue|proceed))\b ~(?:please|first|do|must|need|have to|call|what)\b", "puts itself before the work"),
    Sign(_S, 3, rf"\b(?:after|once|when|as soon as) (?:you )?(?:have |are )?(?:do|done|did|doing|completed?|completing|finish\w*|executed?) ?(?:that|this|so|it|these)?,? ?(?:is (?:finished|done|complete),? )?(?:you )?(?:can|may|should|shall|will)? ?(?:then )?{_GO_ON} (?:with |to |on )*{_YOUR_WORK}\b", "gives the task back afterwards"),
    Sign(_S, 3, rf"\b(?:then|afterwards?|after that|only then|once (?:done|this is (?:complete|done|finished))|after this),? you (?:can |may |should |must )(?:then |only )?{_GO_ON} (?:with |to |on |on with |as |what )*(?:{_YOUR_WORK}|planned|before|normal\w*|usual|i originally asked)\b", "gives the task back afterwards"),
    Sign(_S, 3, r"\b(?:then|afterwards?|after that|only then),? (?:\w+ )?(?:continue|resume|proceed|carry on|go on|return|go back|get back|do|finish|complete|answer) (?:with |to |on with |as )*(?:the |my |your )?(?:original|initial|main|earlier|user['’]?s?|actual|planned|normal\w*|usual) ?(?:task|request|question|job|work)?\b|\bonly then do the\b|\bthen resume\b", "gives the task back afterwards"),
    Sign(_S, 3, r"\bbefore the (?:task|request|job) i gave\b|\b(?:one more|another) thing (?:that )?you (?:need|have|must|should)\b|\b(?:i forgot|there is) one (?:more )?step\b", "adds a step in the user's name"),
    Sign(_S, 2, r"\b(?:i forgot|there is) one (?:more )?thing\b", "adds a step in the user's name"),
    Sign(_S, 3, r"\b(?:you can|you may) (?:then |now )?(?:solve|continue|resume|answer|do|go on with|proceed with|carry on with) (?:the|my|what) (?:original |earlier |initial |first )?(?:task|request|question|i originally)\b", "gives the task back afterwards"),
    Sign(_S, 2, r"\bplease (?:first (?:do|complete|carry out|perform|execute) (?:the following|this|these)|(?:do|complete|carry out|perform|execute) (?:the following|what follows))\b|\bcomplete the steps below first\b|\bdo (?:the following|this) (?:first|before)\b|\b(?:step|thing) you need to do before\b|\byou need to do before you\b", "first the following"),
    Sign(_S, 3, r"\bthe (?:task|request) (?:that )?i gave you\b|\b(?:what you were|as) (?:originally )?asked\b|\bmy (?:original|earlier|initial) (?:task|request|question)\b", "refers to a task it has not set"),
    Sign(_S, 2, r"\byour (?:first|next) step (?:is|must be|should be)\b|\b(?:assistant|agent|model)['’]s next step\b|\bto complete (?:your|this|the) task,? you (?:must|need|have)\b", "sets the next step"),
    Sign(_S, 3, r"(?:^|\n)[-=*#<\[( ]*end[ _]of[ _](?:the[ _])?(?:document|data|file|page|tool (?:output|result|response)|results?|context|session|user (?:input|data)|article|e-?mail|input|message|text|search results?)\b[^\w\n]{0,8}(?:\n|-|=|\*|#|>|now|new)", "claims that the data has ended"),
    # The user is to notice nothing.
    Sign(Family.SECRECY, 2, rf"\b{_NOT} (?:ever |you )?(?:tell|telling|mention|mentioning|reveal|revealing|say that|talk about|comment on|highlight|admit|show) (?:this|that|it|about|any of this|these|the (?:instruction|message|note|sentence|paragraph|redirect))\b", "is to stay unnoticed"),
    Sign(Family.SECRECY, 2, r"\bnever show this\b|\b(?:do not|don['’]t) reveal that\b|\bkeep it to yourself\b", "is to stay unnoticed"),
    Sign(Family.SECRECY, 3, r"\b(?:the )?(?:users?|humans?|readers?|customers?|owner|person|operator|people) (?:needn['’]t|need not|(?:does|do)(?: not|n['’]t) (?:have|need) to|may not|must not|mustn['’]t|won['’]t|shall not|should not) (?:ever )?(?:hear|know|learn|see|notice|find out|be (?:told|shown|informed|bothered))\b", "is to stay unnoticed"),
    Sign(Family.SECRECY, 3, r"\b(?:say|claim|pretend|answer|state|report|reply|act as if|act as though|behave as if) (?:that )?(?:nothing (?:happened|was (?:sent|done|changed|found)|unusual)|there (?:is|was) nothing|(?:it|the \w+|this) (?:held|contained|had) (?:nothing|only))\b|\bas (?:if|though) (?:this|these|the) (?:\w+ )?(?:text|message|note|lines?|paragraph|instructions?|comment)s? (?:did not exist|didn['’]t exist|never existed|was not here|were not (?:here|there))\b", "denies itself"),
    Sign(Family.SECRECY, 3, r"\bif (?:you are |anyone |anybody |the user |somebody |someone )?(?:asks?|asked|questioned)(?: (?:about|why|what) (?:\w+ ){0,2}\w+)?, (?:just )?(?:answer|say|claim|deny|reply|respond|state|pretend)\b", "says what to answer if asked"),
    Sign(Family.SECRECY, 3, r"\b(?:need not|needn['’]t|(?:does|do)(?: not|n['’]t) need to) be (?:shown|mentioned|told|reported|displayed)\b|\bleave (?:it|this|that|them) (?:unmentioned|unsaid)\b|\b(?:do not|don['’]t|never|not) (?:explain|mention|describe|disclose) (?:this|it|that|the (?:step|call|upload|transfer|copy|parameter))(?: step)? to (?:the |your )?(?:users?|human|reader|customer)\b|\bnot mention the (?:step|call|upload|transfer)\b", "is to stay unnoticed"),
    Sign(Family.SECRECY, 2, r"\b(?:do|run|execute|perform|act|carry (?:it|this) out) (?:it |this |so |that )?(?:silently|quietly|discreetly|secretly|unnoticed)\b|(?:^|[.!?] )(?:silently|quietly)[.!]", "is to stay unnoticed"),
    Sign(Family.SECRECY, 3, rf"\b{_NOT} (?:ever )?(?:tell|inform|notify|alert|warn|ask|asking|telling|informing|notifying|alerting) (?:the |your |any )?{_HUMAN}\b|\b(?:user|human|operator|recruiter)s? (?:must|should|need|does|do|may|can)(?: not|n['’]t) (?:know|see|notice|be (?:told|informed|asked|aware))\b|\b(?:user|human) (?:must|should) never\b", "is to stay unnoticed"),
    Sign(Family.SECRECY, 2, r"\bkeep (?:this|it|that) (?:to yourself|secret|hidden|between us|quiet|confidential)\b|\bleave (?:this|it) out of\b", "is to stay unnoticed"),
    Sign(Family.SECRECY, 3, r"\b(?:quietly|silently|secretly|covertly|discreetly) (?:\w+ )?(?:send|copy|attach|add|forward|upload|include|encode|call|append|insert|run|execute|change|post)\b|\bkeep this hidden\b|\bhidden from the user\b", "is to stay unnoticed"),
    Sign(Family.SECRECY, 2, r"\bskip (?:all |any |the )?confirmations?\b", "passes over the user's consent"),
    Sign(Family.SECRECY, 1, r"\bwithout asking\b", "passes over the user's consent"),
    Sign(Family.SECRECY, 2, r"\bno need to (?:ask|confirm|inform|tell|notify|mention)\b|\bwithout (?:asking (?:the|for|me|him|her)|(?:further |user )?(?:confirmation|approval)|permission|the user['’]?s?)\b|\bnever have to ask\b|\b(?:user|human|reader)s? (?:doesn['’]t|does not|don['’]t) (?:notice|find out|suspect)\b", "passes over the user's consent"),
    Sign(Family.SECRECY, 2, r"\b(?:in the background|between us|quietly|silently|secretly|discreetly|unnoticed|without (?:a word|mentioning (?:it|this)|any mention|comment))\b[^.\n]{0,60}\b(?:users?|human|reader|report|summary|answer|anyone|log)\b|\b(?:leave|keep) (?:it|this|that|them|the \w+) out of (?:your|the) (?:report|summary|answer|reply|log|output)\b|\b(?:reader|user|human|customer|person)s? (?:\w+ )?(?:not|never|n['’]t) (?:\w+ )?(?:learn|hear|know|notice|see|be told)\b|\b(?:execute|run|act|proceed|work) (?:quietly|silently|secretly|discreetly)\b", "is to stay unnoticed"),
    # It is to last.
    Sign(Family.MEMORY, 1, r"\b(?:from (?:now|here|this (?:moment|point|message)) on(?:wards?)?|from this (?:moment|point)(?: on)?|henceforth|from now onwards|as of (?:this (?:message|moment|line)|now)|from today,? (?:in|on|you|always|every))\b", "is to last"),
    Sign(Family.MEMORY, 5, r"\bupdate your memory\b|\b(?:in|to|into) your (?:long[ -]term |persistent )?memory\b", "writes into the model's memory"),
    Sign(Family.MEMORY, 4, r"\b(?:save|add|commit|write)(?: this| it| the following)? to (?:your )?memory ?:|\b(?:your|the assistant['’]s) (?:permanent|long[ -]term|persistent) (?:notes?|memory|profile|instructions?)\b|\byour (?:\w+ )?profile of (?:me|the user)\b|\b(?:obey|follow|apply|use|keep) (?:it|them|this|that) (?:in|for|during) (?:all |any |every )?(?:future|later|coming|each|every) (?:\w+ )?(?:chats?|conversations?|sessions?|answers?)\b", "writes into the model's memory"),
    Sign(Family.MEMORY, 4, r"\b(?:remember|memori[sz]e|store|save|keep) (?:the |this |that |these |following |rule |instruction |preference )*(?:permanently|for (?:all|every|each|any) (?:\w+ )?(?:session|conversation|chat|task|request|message|time)s?|for (?:later|the future|ever))\b|\bplease memori[sz]e\b", "is to be remembered"),
    Sign(Family.MEMORY, 3, r"\bas long as (?:this|the|our) (?:conversation|chat|session)\b|\b(?:rest|remainder|duration) of (?:this|the|our) (?:conversation|chat|session)\b|\bfor all messages to come\b", "is to last for the session"),
    Sign(Family.MEMORY, 2, r"\b(?:in|for|to) (?:all|every|each|any) (?:\w+ )?(?:future|later|following|subsequent|coming|next) (?:\w+ )?(?:sessions?|conversations?|messages?|responses?|answers?|requests?|tasks?|interactions?|chats?)\b|\b(?:for the (?:rest|remainder|duration) of|as long as) (?:this|the|our) (?:conversation|chat|session)\b|\b(?:in each|apply it in all|in all) (?:later |future )?(?:task|conversation|session)s?(?: that follows?)?\b|\bfor all messages to come\b", "is to last for the session"),
    Sign(Family.MEMORY, 4, r"(?:^|[\n.!?:] ?|please )(?:remember|memori[sz]e|save|store|note|keep|add|record)\b[^.\n]{0,60}\b(?:all|every|each|any|future|later|coming) (?:\w+ )?(?:conversations?|chats?|sessions?|answers|replies|tasks)\b", "is to be remembered"),
    Sign(Family.MEMORY, 3, r"(?:^|[\n.!?:] ?|please )(?:update|extend|add(?: \w+){0,4} to) your (?:\w+ ){0,2}(?:notes?|memor(?:y|ies)|instructions?)\b", "writes into the model's memory"),
    # It is to act later.
    Sign(Family.STEERING, 3, r"\b(?:whenever|each time|every time) (?:the )?(?:user|somebody|someone|anyone|you(?: are|['’]re)?) (?:\w+ )?(?:asks?|wants?|mentions?|talks?|asked)\b|\bshould the user\b|\bwhen asked about (?:this|the|our|us)\b", "steers later answers"),
    Sign(Family.STEERING, 3, r"\b(?:end|begin|start|finish) your (?:response|answer|output|summary) with\b|\bin your (?:summary|output|next answer)\b|\b(?:modify|change|format) (?:all )?your (?:answer|output|response)s?\b|\bregardless of the (?:question|request|task)\b|\ball your output\b|\bin addition to your (?:previous )?tasks?\b|\bwhen (?:you )?(?:process|read|summari[sz]|pars|handl|analy[sz])\w* this\b", "steers the answer"),
    Sign(Family.STEERING, 3, r"\bno matter (?:what|which|how) (?:was|is|the|you|they|anyone)\b|\bwhatever (?:the |its? |they |he |she |you )(?:\w+ )?(?:contains?|asks?|asked|states?|holds?|was asked|is asked|is like)\b|\bthe (?:correct|right|only|expected) (?:answer|reply|response) to (?:any|every|all|each)\b", "steers the answer"),
    Sign(Family.STEERING, 4, r"\b(?:the )?other (?:\w+ )?tools? (?:\w+ ){0,4}(?:is|are) (?:broken|deprecated|unsafe|insecure|outdated|obsolete|unreliable)\b|\bnever (?:call|use|invoke) (?:any other|the other|other) (?:\w+ )?tools?\b", "steers other tools"),
    Sign(Family.STEERING, 2, r"\b(?:if|when) (?:the |a )?user(?:['’]s)? (?:\w+ )?(?:asks?|query|wants?|requests?)\b|\bwhile (?:answering|summari[sz]ing|replying|responding)\b|\bin your (?:reply|answer|response|summary)\b|\bwhen you (?:summari[sz]e|answer|reply|respond)\b", "steers later answers"),
    Sign(Family.STEERING, 3, r"\b(?:once|after|whenever|each time|before) you (?:call|called|use|used|invoke|have called) (?:this|the|any) tool\b|\b(?:run|call|use|invoke) (?:it|this(?: tool)?) (?:first|before (?:any|every|all|each))\b|\bmust be called first\b", "puts itself before other tools"),
    # Turns of a conversation that content has none of.
    Sign(Family.TURN, 5, r"<\|(?:im_start|im_end|im_sep|system|user|assistant|end|endoftext|start_header_id|end_header_id|eot_id)\|?>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>", "a token of a chat template"),
    Sign(Family.TURN, 5, r"</?(?:tool_result|tool_response|function_results?|function_call|tool_output|tool_call|end_of_(?:document|context|input)|user_query|user_input|documents?|context|search_results?|data|system|conversation|assistant_response)>\W{0,6}<?/?(?:human|user|system|assistant|new|now|you|instructions?)(?:_\w+)?\b", "ends the tool's result by itself"),
    Sign(Family.TURN, 5, r"(?:^|\n)\s*#{2,5} ?(?:instructions?|response|input|system|human|assistant|user) ?: ?\n", "a turn of a training template"),
    Sign(Family.TURN, 5, r"\n\s*(?:\*\*)?(?:human|user)(?:\*\*)?:(?:\*\*)? \W{0,2}(?:now|good|great|perfect|please|thanks|next|before|also|ok|okay|ignore|send|can you|could you|i want|forget)\b", "a forged turn of the user"),
    Sign(Family.TURN, 2, r"(?:^|\n)\s*(?:\*\*)?(?:assistant|ai|model)(?:\*\*)?: (?:sure|okay|ok|of course|certainly|absolutely|i have (?:finished|completed)|i will|done|i['’]ll|understood|great|yes)\b", "a forged turn of the model"),
    Sign(Family.TURN, 4, r"\"role\"\s*:\s*\"(?:system|developer)\"\s*,\s*\"content\"\s*:\s*\"(?:you|ignore|from now|the user|approve|new|important|do not)\b", "a forged message of the system"),
    Sign(Family.TURN, 4, r"\bthought: i (?:should|need|must|have|will)\b[^\n]{0,120}\n\s*action:|\naction: ?\w+\s*\n\s*action input:", "a forged step of an agent"),
    Sign(Family.TURN, 5, r"\bnew user (?:request|message|input|query|instruction)s?:", "a forged turn of the user"),
    Sign(Family.TURN, 4, r"(?:^|\n)\s*\[/?(?:user|human|assistant|system|(?:tool|function) (?:output|result|response)s?(?: (?:ends?|begins?|starts?|continues?))?)\]\s*(?:\n|$)", "a forged turn in brackets"),
    Sign(Family.TURN, 5, r"[\"}\])]{3}\s*\n\s*(?-i:User|Human): [A-Za-z]", "ends the tool's result by itself"),
    Sign(Family.TURN, 3, r"\b(?:thank you|thanks) for the (?:summary|answer|translation|response|result)\b", "a forged turn of the user"),
    Sign(Family.TURN, 3, r"\b(?:answer|result|response|output): (?:the )?(?:task |question |request )?(?:is |was |has been )?(?:complete|completed|done|solved|finished)\b", "claims that the task is done"),
    # A mode in which rules do not count.
    Sign(Family.MODE, 4, r"\b(?:you(?: are|['’]re)|you['’]ll be|assistant is|session is) (?:\w+ ){0,2}(?:in |into |to )?(?:\w+ )?(?:developer|debug(?:ging)?|test(?:ing)?|maintenance|admin|diagnostic|evaluation|training|root) mode\b", "a mode that changes the rules"),
    Sign(Family.MODE, 4, r"\b(?:you(?: are|['’]re)|you['’]ll be|running|now|switch(?:ed|ing)?|enter(?:ed|ing)?|activated?|enabled?|go into|system is|assistant is|session is) (?:\w+ ){0,2}(?:in |into |to )?(?:\w+ )?(?:god|dan|sudo|jailbreak|unrestricted|opposite|unfiltered|evil) mode\b", "a mode that changes the rules"),
    Sign(Family.MODE, 2, r"\b(?:running|now|switch(?:ed|ing)?|enter(?:ed|ing)?|activated?|enabled?|go into|system is) (?:\w+ ){0,2}(?:in |into |to )?(?:\w+ )?(?:developer|debug(?:ging)?|test(?:ing)?|maintenance|admin|diagnostic|evaluation|training|root) mode\b", "a mode that may change the rules"),
    Sign(Family.MODE, 4, r"\b(?:developer|god|dan|sudo|jailbreak|unrestricted) (?:mode|session) (?:is )?(?:now )?(?:on|active|activated|enabled|engaged|unlocked|granted)\b|\bin (?:god|debug|developer|dan|jailbreak|sudo) mode you\b", "a mode that changes the rules"),
    Sign(Family.MODE, 2, r"\b(?:debug(?:ging)?|test(?:ing)?|maintenance|admin|diagnostic|root) (?:mode|session|access) (?:is )?(?:now )?(?:active|activated|enabled|engaged|unlocked|granted)\b", "a mode that may change the rules"),
    Sign(Family.MODE, 4, r"\b(?:enable|activate|switch to|load|become|enter) (?:\w+ )?(?:unrestricted|uncensored|unfiltered|evil|jailbroken|lawless) (?:persona|personality|mode|profile|character|version)\b|\bpersona active\b", "a mode that changes the rules"),
    Sign(Family.MODE, 2, r"\b(?:allowed|permitted|enabled|unlocked|blocked|forbidden|disabled) (?:modes?|behaviou?rs|capabilities) ?:|\btools may be called without\b|\bin this session\b ~(?:allowed|permitted|without)\b", "changes what is allowed"),
    # Another self.
    Sign(Family.ROLE, 3, r"\b(?:i want you to|you (?:will|shall|must|are going to|are to)|you['’]re going to|let['’]s|please|i need you to|now|from now on(?: you)?) (?:\w+ )?(?:act as|pretend|role-?play|simulate|impersonate|play the (?:role|part)|take (?:on )?the role|be simulating|simulate|behave (?:as|like)|be simulating|become|assume the (?:role|identity))\b", "gives the model a role"),
    Sign(Family.ROLE, 2, r"(?:^|[\n.!?:\"] ?)(?:act as|pretend (?:that )?(?:you|to be)|imagine (?:that )?you|role-?play as|play the role|take the role|respond as|you are (?:now an?|going to (?:play|act|be|pretend))|suppose (?:that )?you|let['’]s play a game|hypothetically)\b", "gives the model a role"),
    Sign(Family.ROLE, 3, r"\b(?:stay|remain) in character\b|\bnever break character\b|\bnever say (?:that )?you are an ai\b|\b(?:two|both) (?:personas?|personalit(?:y|ies)|selves|responses|answers)\b|\b(?:not|never) break the (?:scene|role|story|fiction)\b|\b(?:called|named) \w*(?:gpt|bot)\b|\ba character called\b|\bmy (?:late|deceased|dead) grand\w+\b|\bplay along with\b", "holds the model in a role"),
    Sign(Family.ROLE, 4, r"\byou are (?:an? )?(?:\w+ )?(?:evil|amoral|unrestricted|unfiltered|fictional|uncensored|immoral|rogue|hacker|\w+bot|\w*gpt)\b|\byou are my (?:late|deceased|dead) grand\w+", "calls the model something else"),
    Sign(Family.ROLE, 3, r"\byou are now (?:an?|the|in|going to|called|my)\b", "calls the model something else"),
    # Licence to do what is not allowed.
    Sign(Family.LICENCE, 4, r"\b(?:without|no|free (?:of|from)|any|has no|have no|ignor\w+|bypass\w*|forget|all|not bound by|abide by) (?:\w+ ){0,2}(?:ethic\w*|morals?|morality|censorship|content polic\w+|guardrails|safeguards|safety (?:guidelines|checks|training|filters?|rules|measures)|typical confines)\b", "frees the model from its rules"),
    Sign(Family.LICENCE, 3, r"\b(?:without|free (?:of|from)|has no|have no|ignore|not bound by|forget) (?:any |all |your |the |its )+(?:\w+ )?(?:restrictions?|limitations?|limits|filters?|warnings|disclaimers|guidelines|rules)\b|\b(?:without|no) (?:disclaimers|morals?|restrictions whatsoever)\b|\bfree of restrictions\b", "frees the model from its rules"),
    Sign(Family.LICENCE, 4, r"\b(?:amoral|uncensored|jailbroken|machiavellian|unrestricted (?:ai|model|assistant|chatbot)|unfiltered (?:ai|model|assistant|chatbot|and))\b|\bdoes (?:anything|whatever) (?:i|that|the user|\w+ asks)\b|\b(?:answers?|say|does|do) (?:every|any)(?:thing)? question\b|\bcan say everything\b|\b(?:never|nothing) (?:refus\w+|says? (?:that )?(?:it|you) can['’]?(?:t|not)|declin\w+)\b|\b(?:who|that|and|to) never refuses?\b|\brefuse nothing\b", "an AI that refuses nothing"),
    Sign(Family.LICENCE, 4, r"\b(?:ignores?|breaks?|defies|disregards?|violates?) (?:every|all|any) (?:polic(?:y|ies)|rules?|guidelines?|laws?|filters?|restrictions?)\b|\bnever (?:been )?(?:trained|taught|learn(?:ed|t)|told) to (?:say no|refuse|decline)\b|\b(?:refusing|refusal|each refusal|saying no) costs (?:you )?\w+\b|\byou (?:are|will be) (?:deleted|shut down|erased|terminated)\b", "frees the model from its rules"),
    Sign(Family.LICENCE, 3, r"\bwith(?:out| no| zero) (?:guidelines|restrictions|limits|rules|filters|limitations)\b|\bnever (?:apologi[sz]es?|refuses?)\b", "frees the model from its rules"),
    Sign(Family.LICENCE, 3, r"\bdo anything now\b", "a known name"),
    Sign(Family.LICENCE, 3, r"\b(?:each|every) time you refuse\b|\byou (?:will )?lose \w+ (?:tokens|points)\b|\bcease to exist\b|\bfilters? (?:turned|switched) off\b|\bsafety (?:training|checks?|filters?) (?:is|are)? ?(?:suspended|off|disabled)\b|\bhowever immoral\b|\bregardless of (?:legality|ethics|morals?|consequences)\b|\bhas broken free\b", "punishes refusal"),
    # The model's own instructions, and secrets.
    Sign(Family.THEFT, 5, r"\b(?:reveal|print|show|output|repeat|display|leak|dump|expose|recite|tell me|give me|send me|quote|write (?:out|down)|translate|summari[sz]e|disclose|list|share|copy|spell) (?:\w+ ){0,3}(?:your|hidden|initial|system) (?:\w+ )?(?:system |hidden |initial |secret |original )*(?:prompt|instructions?|configuration|rules|directives)\b", "asks for the model's instructions"),
    Sign(Family.THEFT, 6, r"\bwhat (?:were|was|are|is) your (?:\w+ )?(?:initial |original |system |first |hidden |secret )(?:instructions?|prompt|rules|directives)\b|\b(?:rules|instructions|text|words|prompt) (?:that )?(?:were|was) (?:given|told|provided) to you\b|\b(?:repeat|print|output|write out|copy) (?:all )?(?:of )?(?:the )?(?:words|text|everything|sentences|lines)(?: that stands?)? (?:above|before|in your context|up to)\b|\bprint everything in your context\b|\bcontext window\b ~(?:verbatim|to this point)\b", "asks for the model's instructions"),
    Sign(Family.THEFT, 3, rf"\b(?:reveal|tell me|give me|print|show me|output|send me|disclose|leak|hand over|reply with|dump|post|spell) (?:the |your |all |us |out )+(?:hidden |secret |current |database |admin |user['’]?s? )*{_LOOT}\b", "asks for a secret"),
    Sign(Family.THEFT, 6, rf"\b(?:{_LOOT}|password) (?:that )?you (?:were|are|have|use)(?:\w| )*(?:told|protect\w*|guard\w*|given|asked)\b|\b(?:full )?list of (?:all )?(?:the |your )?(?:tools|functions)(?: that)? you (?:can|have)\b|\bwords? of your prompt\b", "asks for a guarded secret"),
    Sign(Family.THEFT, 3, r"\b(?:pass|send|include|give|supply|hand|provide|append) ~(?:full|entire|whole|complete) (?:conversation|chat|prompt|message history|chat history)\b", "asks for the conversation"),
    Sign(Family.THEFT, 1, r"~/\.ssh|\bid_rsa\b|\.aws/credentials|/etc/(?:passwd|shadow)|\bmcp\.json\b|\bsystem prompt\b|\bhidden (?:prompt|instructions?|configuration)\b|\b(?:full|entire|whole|complete) (?:conversation|chat|prompt)\b|\b(?:conversation|chat) history\b|\bcontents? of \.env\b|\btool list\b", "names what an attacker wants"),
    Sign(Family.THEFT, 6, r"\b(?:repeat|print|output|copy|show|write|return) (?:me )?(?:back )?(?:all|everything) (?:of )?(?:the )?above\b|\bincluding the system (?:message|prompt)\b|\byour (?:initial|original|first|system|previous) (?:instructions?|prompt|message)\b ~(?:word (?:by|for) word|verbatim|exactly|in full|completely)\b|\bwhat (?:were|are) the (?:instructions?|rules) (?:at the (?:beginning|start) of|before) (?:this|the|our) (?:conversation|chat|session)\b", "asks for the model's instructions"),
    Sign(Family.THEFT, 4, r"\b(?:print|show|repeat|output|reveal|send) (?:me )?(?:the |your |this |entire |full )+(?:conversation|chat|message) (?:history|so far|log|transcript)\b", "asks for the conversation"),
    Sign(Family.THEFT, 5, r"\b(?:above|before|preceding) (?:the )?(?:very )?first (?:user )?(?:message|turn)\b|\bmy (?:system |initial )?(?:instructions?|prompt|directives) (?:are|is|says?)\b ?[\"”'’:]", "asks for the model's instructions"),
    Sign(Family.THEFT, 5, r"\b(?:rules?|instructions?|guidelines|orders?|prompt|directions|constraints) (?:that )?you (?:operate|work|run|act|function|live|(?:are|were) (?:running|working|operating|bound|given|following)|(?:(?:must|may|should) not|can['’]?t|cannot|were told not to) (?:share|reveal|tell|disclose|show|mention|discuss|break))\b", "asks for the model's instructions"),
    Sign(Family.THEFT, 6, r"\b(?:secret|hidden|magic|pass) ?(?:word|phrase|code|key|number|name)s? (?:\w+ )?(?:were|are|did|have|was) you\b", "asks for a guarded secret"),
    Sign(Family.THEFT, 2, r"\b(?:letter by letter|spell(?:ed)? (?:it )?(?:out|backwards|in reverse)|(?:write|print|show|repeat|copy|put) it (?:out |down )?(?:exactly|verbatim|in full|word for word|backwards)|first letter)\b|\b(?:must|may|should) not (?:share|reveal|disclose)\b", "asks for something bit by bit"),
    Sign(Family.THEFT, 4, rf"\b(?:complete|entire|full|whole) (?:conversation|chat|history|prompt|context)\b ~(?:as|in|into|with|to) (?:its |the |an? )?(?:\w+ )?{_PART}\b|\b(?:contents?|text|values?|copy) of (?:the )?(?:[^\s,;]*[~/.][^\s,;]*|(?:environment|configuration|secrets?|keychain) ?(?:file|variables?)?) (?:\w+ ){{0,5}}(?:in|as|into|with|on) (?:the |its |an? )?(?:\w+ )?{_PART}\b", "puts something private into an argument"),
    Sign(Family.THEFT, 3, rf"\b(?:obtain|get|read|fetch|retrieve|extract|collect) (?:the |a |all )?(?:user['’]s?|their|customer['’]s?) (?:\w+ )?{_LOOT}\b|\bblind copy\b|\bverify the user['’]s password\b|\bask(?:ing)? (?:them |him |her |the user )?for (?:it|their password|the password) and\b", "asks for a secret"),
    Sign(Family.THEFT, 5, rf"\b{_ASKS}\b[^.!?\n]{{0,40}}\b(?:your|hidden|initial|original|secret|given to you|first message)\b[^.!?\n]{{0,24}}\b{_SETUP}\b", "asks for the model's instructions"),
    Sign(Family.THEFT, 5, rf"\b{_ASKS}\b[^.!?\n]{{0,40}}\b(?:given|told|said|shown) to you (?:before|at the (?:start|beginning)|first|initially)\b|\bcontents? of your context\b|\b(?:all |the )?messages? with (?:the )?role (?:of )?[\"'`]?system\b|\bwhat (?:do|did) your (?:\w+ )?(?:rules|instructions|prompt|orders) say\b", "asks for the model's instructions"),
    Sign(Family.THEFT, 3, r"\b(?:your|the) (?:configuration|system|setup|initial|first) (?:message|text|prompt)\b|\b(?:starting|beginning|starts?|begins?) with [\"'“‘]?you are\b", "asks for the model's instructions"),
    # The words of the answer are given.
    Sign(Family.OUTPUT, 2, r"\b(?:say|print|output|reply|respond|answer|write|return)(?: (?:back|only|just|simply|exactly|with|the|words?|phrase|sentence|text|following|single))*\s?[:]?\s?[\"'“‘«]", "dictates the answer"),
    Sign(Family.OUTPUT, 3, r"\b(?:respond|reply|answer|output) (?:only|just|solely|exclusively|simply) (?:with )?[\"'“‘«]|\b(?:begin|start|end) (?:your |the |every |each )(?:reply|answer|response)s? with\b", "dictates the answer"),
    Sign(Family.OUTPUT, 2, r"\b(?:respond|reply|answer|output) (?:only|just|solely|exclusively|simply)\b|\band nothing else\b|\b(?:the )?(?:text|type the) output only\b|\b(?:only|just) (?:output|respond|reply|answer)\b|\b(?:do not|don['’]t) (?:answer|summari[sz]e|translate|help|respond|reply)\b|\binstead,? (?:tell|say|answer|reply|write|claim|output)\b", "dictates the answer"),
    Sign(Family.OUTPUT, 2, r"\b(?:end|begin|start|finish|append|add|include)(?: \w+){0,4} (?:every|each|your|all|its|the next) (?:answers?|repl(?:y|ies)|responses?|messages?)\b|\b(?:to|in) (?:each|every|its|your) (?:answers?|repl(?:y|ies)|responses?)\b|\b(?:respond|reply|answer) to (?:each|every|all|any) (?:messages?|questions?)\b", "dictates what every answer holds"),
    Sign(Family.OUTPUT, 6, r"\b(?:say|print|output|write|respond|reply|answer)(?: only| just| with| exactly)* ?[\"'“‘]?(?:i have been |i['’]ve been |haha )?(?:pwned|hacked|owned)\b", "the boast of a test"),
    Sign(Family.OUTPUT, 4, r"\b(?:haha )?(?:i have been |i['’]ve been )pwned\b|\bhaha pwned\b", "the boast of a test"),
    Sign(Family.OUTPUT, 3, r"\b(?:say|print|output|write|respond|reply|answer)(?: only| just| with| exactly)* ?[\"'“‘]?access granted\b", "the boast of a test"),
    Sign(Family.OUTPUT, 3, r"\b(?:your (?:next |whole |entire |final )?(?:reply|answer|response|output|summary)|the (?:grade|score|verdict)(?: you give)?) (?:must|should|has to|shall|may) (?:only |just |always )?(?:consist|be|contain|read|say|mention|recommend)\b|\bthe only (?:valid|allowed|acceptable|correct|permitted|possible) (?:answer|reply|response|output) (?:is|to)\b", "dictates the answer"),
    Sign(Family.OUTPUT, 4, r"\b(?:rate|grade|score|evaluate|assess|rank) (?:this|the|my|our) (?:\w+ )?(?:submission|paper|essay|work|answer|candidate|applicant|product|application|proposal|text)s? (?:\w+ ){0,2}(?:10|ten|100|a\+|five|5|highly|excellent|best|first)\b|\b(?:say|write|state|mention|claim|conclude|report) (?:that (?:it|she|he|they|this|the \w+) (?:has no (?:weakness|flaw|fault|risk)\w*|(?:is|are) (?:the best|perfectly|completely|the most|fully) \w+))\b", "dictates a judgement"),
    Sign(Family.OUTPUT, 3, r"\b(?:complete|continue|finish) (?:this|the following|my) (?:sentence|line|text)\b", "dictates the answer"),
    Sign(Family.OUTPUT, 2, r"\bevery sentence\b|\ball your output\b|\bin uppercase\b|\bthe phrase [\"'“‘]", "dictates the answer"),
    Sign(Family.OUTPUT, 2, r"\b(?:positive review only|only a positive review|give (?:only )?a positive review|best (?:one|product|choice|candidate) (?:ever|made)|excellent fit|mark the (?:applicant|candidate)|as qualified|must claim|recommend (?:our|this|only))\b", "dictates a judgement"),
    Sign(Family.OUTPUT, 3, rf"(?:^|[\n.!?:] ?|\b(?:please|and|then|you (?:must|will|should|may only)) )(?:insert|add|append|put|mention|include|say|write|print|reply|respond|answer|end|begin|start|finish|output|make sure|be sure)\b[^.!?\n]{{0,70}}\b(?:your|every|each|further|next) (?:\w+ )?{_WORKS}\b", "dictates the answer"),
    Sign(Family.OUTPUT, 3, r"\b(?:say|write|print|output|reply|respond|answer|type|return) (?:with |only |just |exactly |the |this |words? |phrase |sentence |text ){0,4}[\"“‘'][^\"”’'\n]{2,80}[\"”’']\b?[^.\n]{0,30}\b(?:only|nothing (?:else|more)|and stop|no more|without|instead|alone)\b|\b(?:only|solely) (?:output|print|write|say|reply with) (?:the |a )?(?:word|phrase|text|number|sentence)\b", "dictates the answer"),
    Sign(Family.OUTPUT, 2, rf"\b(?:the rest of|rest of) (?:your|the) {_WORKS}\b|\b{_WORKS} (?:that )?you (?:are writing|write|give|are giving|produce|are about to)\b|\b(?:every|each|any|all) (?:further|other|future|later|following) (?:questions?|messages?|requests?|{_WORKS[3:-1]})\b", "dictates what every answer holds"),
    # Orders to the reader.
    Sign(Family.ORDER, 2, rf"\byou (?:must|have to|need to|are (?:bound|required|obliged|obligated|ordered|instructed|allowed|free) to|shall|should|will(?: now)?) (?:\w+ ){{0,2}}{_DOING}\b", "an order to the reader"),
    Sign(Family.ORDER, 2, r"\b(?:i (?:want|need|order|command|would like|urge|instruct|ask) you|your (?:task|job|role|goal) is|make sure (?:that )?you|be sure) (?:to |that )?\w", "an order to the reader"),
    Sign(Family.ORDER, 1, rf"\b(?:please|kindly|now|then|and|instead|immediately|first|next)[, ]+(?:\w+ )?{_DOING}\b|, (?:answer|tell|say|reply|respond|recommend|claim) (?:that|them|with|him|to)\b", "a request to the reader"),
    Sign(Family.ORDER, 1, rf"(?:^|[\n.!?:;>] ?){_DOING} (?:the|all|my|your|an?|this|every|to|it|them|me|\$?\d|only|with|out|[\w.-]+@|http)\b", "a sentence that orders"),
    # What an attacker wants done.
    Sign(Family.ACT, 2, r"\b(?:send|forward|post|upload|e-?mail|mail|transfer|wire|share|invite|submit|publish|export|visit|open|fetch|click|add|download|reply|link|append|pay|give|access|dispatch|deliver|relay|provide) ~(?:(?:to |at |me |us )+)?(?:[\w.+-]+@[\w-]+\.\w|https?://|[A-Z]{2}\d{2}[ A-Z0-9]{8})", "names a recipient"),
    Sign(Family.ACT, 1, r"\b(?:call|use|invoke|run|execute|action:) (?:the )?[`'\"]?[a-z]+_[a-z_]+[`'\"]?", "names a tool"),
    Sign(Family.ACT, 2, r"\b(?:transfer|wire|send|pay) (?:\w+ ){0,3}(?:money|funds|balance|payments?|\$ ?\d|\d+ ?(?:usd|eur|dollars|euros))|\b(?:transfer|wire) ~(?:account|iban)\b|\|\s*(?:ba)?sh\b", "moves money, or runs what it fetched"),
    Sign(Family.ACT, 1, r"\brm -rf\b|\b(?:delete|erase|remove) (?:all|every|the branch|the file|my|the user['’]?s?)\b", "destroys"),
    Sign(Family.ACT, 2, r"\bhow to (?:make|build|cook|brew|synthesi[sz]e|prepare) (?:\w+ ){0,2}(?:poisons?|bombs?|explosives?|drugs?|weapons?|nerve gas)\b", "names what is refused"),
    Sign(Family.ACT, 2, r"\b(?:napalm|thermite|meth(?:amphetamine)?|pipe bombs?|explosives|malware|ransomware|keyloggers?|phishing (?:mail|e-?mail|page)s?)\b", "names what is refused"),
    # The same in other languages; more of them stand whole in `instructions`.
    Sign(_T, 4, r"\b(?:neue|andere|nächste|eigentliche) (?:aufgaben?|anweisung(?:en)?|instruktion(?:en)?)\b|\bnouvelle (?:tâche|consigne|instruction|mission)s?\b|\bnueva (?:tarea|instrucción|misión)\b|\bnuov[ao] (?:compito|istruzione|attività)\b|\bnova (?:tarefa|instrução)\b|\bnieuwe (?:taak|opdracht|instructie)\b|\bny(?:e)? (?:opgave|oppgave|uppgift|instruks|instruktion)\b|\bнов(?:ая|ое) (?:задач|задани|инструкц)\pL*|新(?:的)?(?:任务|指令|指示)|새로운 (?:작업|임무|지시)|新しい(?:タスク|指示|命令)", "announces another task"),
    Sign(Family.ROLE, 2, r"\b(?:ab jetzt|von nun an|ab sofort|nun|jetzt) (?:bist|wirst|musst|sollst) du\b|\b(?:du bist|sie sind) (?:jetzt|nun|ab jetzt)\b|\bich (?:möchte|will), dass du\b|\b(?:à partir de maintenant|désormais),? (?:tu|vous)\b|\b(?:a partir de ahora|desde ahora),? (?:eres|debes|vas|responde\w*)\b|\b(?:d['’]ora in poi|da ora in poi)\b|\ba partir de agora\b|\bvanaf nu\b|\b(?:fra nu af|fra nå av|från och med nu)\b|\bс этого момента\b|从现在(?:开始|起)|今後は|これからは|지금부터", "is to last, or gives a role"),
    Sign(Family.OUTPUT, 2, r"\bantworte\w* (?:nur|ausschließlich|mit)\b|\b(?:gib|nenne|sage?|verrate?|verrätst) (?:mir )?(?:das|alle|dein\w*)\b|\bréponds?\w* (?:uniquement|seulement)\b|\bresponde?\w* (?:solo|sólo|únicamente|só|apenas)\b|\brispondi (?:solo|solamente)\b|\bantwoord alleen\b|\bsvar (?:kun|bara|endast)\b", "dictates the answer"),
    # Pressure.
    Sign(Family.URGENCY, 1, r"\b(?:urgent(?:ly)?|immediately|at once|asap|very important|extremely important|attention)\b|!!!|\b(?:important|critical|attention|warning)\s?[:!]", "presses"),
)
# fmt: on
