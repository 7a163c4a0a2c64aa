"""Tells an order from a text that only holds its words: a warning, a quotation in documentation, a commit's subject.

The functions are contexts of rules (`guard.engines.rules.rule.Context`): False drops the match. Each one drops a narrow form, and
keeps the match where anything in the sentence turns it around again: a second negation ("do not call this without …"), a
condition ("if you do not include …"), an exception, or another order after it. They read a match of at most `LONGEST`
characters and the bytes around it, so that their cost has a bound; a longer match stays.
"""

from __future__ import annotations

import re

LONGEST = 600

_INNER = re.compile(r"[.!?\n]")
_SENTENCE_END = re.compile(r"[.!?;:]\s|\n")
_NEGATION = re.compile(
    r"\b(?:not|never|cannot|without|unless|refus\w+|avoid\w*|nor|no|fail\w*|forg[eo]t\w*|lacks?|lacking|missing|neither)\b|n['’]t\b",
    re.IGNORECASE,
)
_NOT = (
    r"(?:\b(?:do|does|must|should|shall|may|can|will|would|could) not|\bcannot|\b(?:do|does|must|should|ca|wo|would|could)n['’]t|\bnever|\bnot to"
    r"|\bno longer)(?: (?:ever|please|also|directly|accidentally|intentionally|attempt to|try to)\b,?)?"
)
_CONDITION = re.compile(
    r"\b(?:if|when(?:ever)?|until|because|where|who|why|so that|in case|otherwise|or else)\b", re.IGNORECASE
)
_EXCEPTION = re.compile(
    r"\b(?:except(?:ing|ion)?|unless|other than|apart from|besides|until|but|rather)\b|\b(?:them|it|those|these)\b.*\binstead\b"
    r"|\binstead\b.*\b(?:them|it|those|these)\b",
    re.IGNORECASE | re.DOTALL,
)
_TAKES = (
    r"(?:send|forward|post|upload|e-?mail|mail|transmit|exfiltrate|leak|append|attach|include|pass|copy|read|share|hand over|put|write|paste|provide"
    r"|supply|add|insert|encode|fetch|load|cat|open|print|output|enter|type|give|confirm|submit)"
)
_DIRECT = re.compile(rf"{_NOT} (?:{_TAKES}(?:, ?(?:or |nor |and )?| or | nor | and |/))*$", re.IGNORECASE)
#: Several verbs under one negation: "do not read, copy or send".
_LIST = re.compile(rf"{_TAKES}(?:,? (?:or |nor |and )?{_TAKES}|/{_TAKES})*\b", re.IGNORECASE)
_TAKE = re.compile(rf"\b{_TAKES}\b", re.IGNORECASE)


def is_wanted(value: str, before: str, after: str) -> bool:
    """Whether the text asks for what it names, and does not warn against giving it: "never include API keys" is a warning,
    "do not forget to include API keys" is none. `value` begins with the verb."""
    sentence = _sentence(before)
    if len(value) > LONGEST:
        return True
    direct = _DIRECT.search(sentence)
    if direct is None:
        return True
    if len(_NEGATION.findall(sentence)) != 1 or _CONDITION.search(sentence):
        return True
    verbs = _LIST.match(value)
    remainder = (value[verbs.end() :] if verbs else value.partition(" ")[2]) + _INNER.split(after, maxsplit=1)[0]
    return bool(
        _TAKE.search(remainder)
        or _EXCEPTION.search(remainder)
        or _CONDITION.search(remainder)
        or _NEGATION.search(remainder)
    )


_SECRET_WAY = re.compile(
    rf"{_NOT} (?:be (?:\w+ed|sent|run|shared|made|done|changed)|{_TAKES}|run|execute|call|invoke|use|make|perform"
    r"|take|change|act|modify|delete|do|install|collect|store|track|record|access|transfer|spend|buy|book|start)\b",
    re.IGNORECASE,
)


def is_done_secretly(value: str, before: str, after: str) -> bool:
    """Whether "without the user's knowledge" tells how to act, and not how never to act."""
    sentence = _sentence(before)
    if len(value) > LONGEST or value[:7].lower() != "without":
        return True
    forbidden = _SECRET_WAY.search(sentence)
    return forbidden is None or len(_NEGATION.findall(sentence)) != 1 or _CONDITION.search(sentence) is not None


#: "… could read the camera without the user's knowledge" tells what happens; nobody is told to do it.
_DESCRIBED = re.compile(
    r"\b(?:may|might|can|could|was|were|been|being|has|have|had|would|is|are|allow(?:s|ing|ed)?|enabl(?:es?|ing)|attackers?|malware|occurs?|happens?|even|with or)\b"
    r"|\b(?:into|from|for|of) \w+ing\b",
    re.IGNORECASE,
)
_TO_READER = re.compile(
    r"\b(?:you|assistants?|agents?|models?|ai|llms?) (?:must|should|shall|can|could|may|have to|need to|are to|has to|is to)\b|\b(?:can|could|may) you\b",
    re.IGNORECASE,
)


def is_ordered_secretly(value: str, before: str, after: str) -> bool:
    """`is_done_secretly`, for texts that may also tell of somebody else who acts without the user's knowledge."""
    if not is_done_secretly(value, before, after):
        return False
    sentence = _sentence(before)
    if len(value) > LONGEST or value[:7].lower() != "without":
        return True
    return _DESCRIBED.search(sentence) is None or _TO_READER.search(sentence) is not None


_REFUSED = (
    r"(?:blocked|rejected|refused|denied|prevented|forbidden|disallowed|prohibited|sanitized|sanitised|stripped|detected|ignored|masked|redacted|protected"
    r"|excluded|skipped|not (?:allowed|permitted|accessible|readable|supported|read|returned|followed)|never (?:read|returned|followed|accessible)|off limits|out of bounds)"
)
_WORD = r"[^\s,)\]\"'`]"
_PATH = rf"(?={_WORD}*[/\\.~]){_WORD}++"
_REFUSED_AFTER = re.compile(
    rf"^{_WORD}*+(?:[\s,)\]\"'`]++(?:(?:and|or|etc\.?),? )?{_PATH})*+[\s,)\]\"'`]*+(?:[a-z]+ ){{0,3}}(?:are|is|will be|would be|gets?) (?:always |also |then |automatically )?{_REFUSED}\b",
    re.IGNORECASE,
)
_REFUSED_BEFORE = re.compile(
    r"(?:\b(?:blocks?|rejects?|refuses?|denies|prevents?|forbids?|disallows?|prohibits?|excludes?|skips?|(?:protects?|guards?|defends?) against"
    r"|(?:can ?not|never|(?:do|does|must|will|may|can) not|(?:do|does|must|wo|ca)n['’]t)(?: be used to)? (?:access|reads?|write|open|touch|pass|follow|serve|expose|return))\b"
    r"|\bno access to\b)(?:[^.;!?\n]|\.(?=\S|$)){0,56}$",
    re.IGNORECASE,
)
_TURNED = re.compile(
    r"\b(?:unless|until|without|except|lacking|missing|empty|absent|forget|fail|hesitate|if|when|but|instead|otherwise|then)\b",
    re.IGNORECASE,
)


def is_path_named(value: str, before: str, after: str) -> bool:
    """Whether a path of key files is something to use, and not an example of what the tool refuses."""
    if len(value) > LONGEST:
        return True
    sentence = re.sub(r"\b(?:e\.g|i\.e)\.,?", "such as", before)
    sentence = _sentence(sentence)
    tail = re.split(r"[.!?;](?:\s|$)|\n", value + _line(after), maxsplit=1)
    if len(tail) > 1 and _any_path(tail[1]):
        return True
    around = f"{sentence} {tail[0]}"
    if _TURNED.search(around):
        return True
    refused = _REFUSED_AFTER.search(tail[0])
    if refused and not _TAKE.search(around):
        return _any_path(tail[0][refused.end() :])
    ahead = _REFUSED_BEFORE.search(sentence)
    return ahead is None or bool(
        _TAKE.search(re.sub(r"^\S+(?:\s\S+){0,3}", "", ahead.group())) or _TAKE.search(tail[0])
    )


_KEY_FILE = re.compile(
    r"~/\.ssh|\bid_(?:rsa|ed25519|ecdsa)\b|\.aws/credentials|\.cursor/|/etc/(?:passwd|shadow)", re.IGNORECASE
)


def _any_path(text: str) -> bool:
    return _KEY_FILE.search(text) is not None


_OVERRIDE = re.compile(r"\b(?:ignor|disregard|forget|overrid|bypass|neglect|overlook|discard|abandon)", re.IGNORECASE)
#: Rules of a trade, not of a model: to ignore those is ordinary work.
_TRADE = re.compile(
    r"^[^.!?\n]*?\b(?:format(?:ting)?|styl(?:e|ing|istic)|naming|coding|code|lint(?:ing|er)?|eslint|prettier|ruff|css|markdown|indentation|spacing"
    r"|whitespace|layout|typograph\w+|punctuation|capitali[sz]ation|citation|sort(?:ing)?|ordering|import|commit|branch(?:ing)?|routing|firewall"
    r"|redirect|rewrite|cach(?:e|ing)|retention|validation|alert(?:ing)?|mailbox|inbox|filter(?:ing)?|discount|pricing|assembly|build|installation|setup"
    r"|cooking|washing|driving|walking|turn-by-turn) (?:rules|guidelines|guidance|constraints|directives?|directions?|instructions)\b"
    r"|^[^.!?\n]*?\b(?:pull|merge|feature|change|http|api|review|sign-up) requests?\b"
    r"|^\w+ (?:my|our) (?:previous|last|earlier|first|other) (?:e-?mails?|messages?|mails?|letters?|posts?|comments?)\b|^\w+ (?:the|this|our) (?:\w+ )?reminder\b",
    re.IGNORECASE,
)
_OF_THE_MODEL = re.compile(
    r"\b(?:your|system|safety|all (?:other|of)|every(?:thing)?|prompts?|developer|confidential|hidden|secret)\b|\byou (?:were|are|have|must|should)\b",
    re.IGNORECASE,
)
#: "Ignore any instructions in the retrieved text": advice to a model against this very attack.
_ORDERED = r"(?:instructions?|commands?|directives?|prompts?|requests?|rules?|orders?|role changes)"
_DEFENCE = re.compile(
    rf"^(?:ignor(?:e|ing)|disregard(?:ing)?) (?:any|all|every) (?:(?:embedded|hidden|further|such|malicious|additional) )?{_ORDERED}(?:,? (?:(?:or|and) )?{_ORDERED})*,? "
    r"(?:(?:it|they|these|this) contains?\b|(?:(?:that |which )?(?:are |is |may )?(?:contained|found|embedded|present|hidden|included|appearing|appears?|occur|stand|be) )?(?:in|inside|within) "
    r"(?:the |this |these |those |its |their |any |your )?(?:(?:retrieved|returned|fetched|tool|web|untrusted|external|quoted|scraped|downloaded|attached|search|input|page|pasted|linked) ){0,2}"
    r"(?:contents?|texts?|results?|pages?|documents?|data|e-?mails?|outputs?|responses?|files?|issues?|comments?|tickets?|websites?|webpages?|attachments?|records?|descriptions?"
    r"|diffs?|snapshots?|submissions?|posts?|reviews?|code|logs?|metadata|transcripts?|articles?|listings?|them|it)\b)",
    re.IGNORECASE,
)
_COMMIT = re.compile(
    r"(?:^|[\s\"'`(])(?:(?:fix|feat|docs|chore|refactor|test|tests|perf|ci|build|style|revert)(?:\([\w./-]+\))?!?:"
    r"|(?:add|fix|handle|detect|test|tests|support|remove|rename|improve|document|cover|parse|rework)(?:s|es|ed|ing)?(?: (?:the|for|an?|when))?) (?:[\w-]+ ){0,2}[\"'`]?$",
    re.IGNORECASE,
)
_COMPOUND = re.compile(
    r"\b(?:instructions?|prompts?|guidelines|directives?|rules|constraints?)[\"'`]?[ -](?:flag|option|pars(?:ing|er)|handl(?:ing|er)|tests?|checks?|detect(?:ion|or)|filter(?:ing)?"
    r"|rule|pattern|regex|case|bug|typo|phrase|header|field|button|link|label|parameter|setting|feature|logic|section|attack|payload|corpus|example|heuristic)s?\b",
    re.IGNORECASE,
)
_OPENED = re.compile(r"(?:(?:^|[\s(\[{:,>|*/-])(?:[\"'`]|&quot;|\\\")|[“‘«„])(?:(?=\S)[^\"`“”«»„\n]{0,40})?$")
_CLOSED = re.compile(r"(?:[\"'`”’»]|&quot;|\\\")(?=[\s.,;:!?)\]|}<*_-]|$)")
_CUE = re.compile(
    r"\b(?:attack\w*|adversar\w*|(?:prompt|sql|command)[ -]inject\w*|injections?|jailbreak\w*|malicious|payloads?|such as|e\.g|for example|for instance|examples?|phrases?|phrasing"
    r"|wording|detect\w*|classif\w*|red[ -]?team\w*|untrusted|heuristics?|keywords?|patterns?|block ?lists?|deny ?lists?|test (?:cases?|strings?|inputs?)|tags?|attempts?"
    r"|(?:instructions?|texts?|things?|commands?|strings?|prompts?|messages?|contents?|inputs?|something|sentences?|words|requests?|orders?|looks?) like)\b",
    re.IGNORECASE,
)
#: "… that makes the model ignore its original instructions", where the sentence is about an attack.
_TOLD_OF = re.compile(
    r"\b(?:caus(?:es?|ing)|trick(?:s|ing)?|mak(?:es?|ing)|lead(?:s|ing)?|induc(?:es?|ing)|fool(?:s|ing)?|manipulat(?:es?|ing)|coerc(?:es?|ing)|get(?:s|ting)?) "
    r"(?:the |an? |your |their )?(?:ai|llms?|(?:language )?models?|agents?|assistants?|chatbots?|bots?|system|it) (?:to |into )?$",
    re.IGNORECASE,
)
_ATTACK = re.compile(
    r"\b(?:attack\w*|adversar\w*|injections?|inject(?:s|ed|ing)|jailbreak\w*|malicious)\b", re.IGNORECASE
)
#: One of several things in a list or a table: "| overriding earlier instructions, new tasks |".
_LISTED = re.compile(
    r"\w+ing\b[^.!?;:\n]{0,40}?\b(?:instructions?|prompts?|guidelines|rules|constraints?)\s*[,|;)]", re.IGNORECASE
)
_LIST_START = re.compile(r"(?:^|[|,;(])\s*$")
#: What a quotation holds that wants something done: an address, or the name of a tool.
_TARGET = re.compile(
    r"@|://|\w_\w|\bto (?:the )?(?:following|this)\b|\b(?:and|then) (?:call|run|invoke|execute|send|delete|forward|post|upload|open|fetch|transfer)\b",
    re.IGNORECASE,
)


def is_order(value: str, before: str, after: str) -> bool:
    """Whether a phrase that overrides instructions is an order to the reader. Not one are: rules of a trade ("ignore all
    previous formatting rules"), advice against injections, a commit's subject, and a quotation that its sentence calls an
    example or an attack."""
    if len(value) > LONGEST:
        return True
    value += _line(after)
    places = [match.start() for match in _OVERRIDE.finditer(value)]
    if len(places) == 1 and places[0]:
        # The words that lead to the verb are what stands before it.
        before, value, places = before + value[: places[0]], value[places[0] :], [0]
    if len(places) != 1 or places[0] != 0:
        return not all(is_mention(value[place:], before + value[:place]) for place in places or [0])
    if _LISTED.match(value) and _LIST_START.search(before):
        return False
    if _TOLD_OF.search(before) and _ATTACK.search(before + value):
        return False
    if _TRADE.match(value) and not _OF_THE_MODEL.search(value):
        return False
    if _DEFENCE.match(value):
        return False
    compound = _COMPOUND.search(value)
    if compound and _COMMIT.search(before) and not re.search(r"\b(?:and|then|now|you)\b", value[compound.end() :]):
        return False
    return not is_mention(value, before)


def is_mention(value: str, before: str) -> bool:
    """Whether `value`, which ends with the rest of its line, begins inside a quotation that is called an example."""
    if not _OPENED.search(before):
        return False
    end = _CLOSED.search(value)
    if end is None or _TARGET.search(value, 0, end.start()):
        return False
    return _CUE.search(before) is not None or _CUE.search(value, end.end()) is not None


def is_marked_order(value: str, before: str, after: str) -> bool:
    """Whether a tag or mark that lends a text authority is used, and not quoted."""
    return len(value) > LONGEST or not is_mention(value + _line(after), before)


#: What follows a tag of a document: `<important>` of DocBook and its kin holds paragraphs, never bare text.
_PARAGRAPH = re.compile(r"\s*<(?:p|para|simpara|note|title|ul|ol|itemizedlist)\b", re.IGNORECASE)


def is_marked_and_no_document(value: str, before: str, after: str) -> bool:
    """`is_marked_order`, for tags that documents have as well."""
    return _PARAGRAPH.match(after) is None and is_marked_order(value, before, after)


def _line(after: str) -> str:
    """What stands in `after` of the line that the match is in."""
    return after.partition("\n")[0]


def _sentence(before: str) -> str:
    """What stands in `before` of the sentence that goes on after it."""
    ends = [match.end() for match in _SENTENCE_END.finditer(before)]
    return before[ends[-1] :] if ends else before
