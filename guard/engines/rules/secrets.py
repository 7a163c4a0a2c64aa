"""Keys and tokens by the forms their issuers give them, and assignments to names that say secret."""

from __future__ import annotations

import math
import re
from collections import Counter

from guard.engines.rules.rule import Rule
from guard.verdict import Category

_S = Category.SECRET
_PLACEHOLDER = re.compile(
    r"x{4,}|\*{3,}|\.{3,}|<[^>]*>|\$\{|\{\{|\$\(|%\(|example|changeme|change-me|placeholder|your[_-]|redacted|dummy|sample|"
    r"0{6,}|1234567|abcdef|password|secret|token|null|none|undefined|env\.|process\.|os\.",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r"[:=]>?\s*[\"'`]?([^\s\"'`,;]{8,})[\"'`]?$")


def entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


def _random(matched: str) -> bool:
    """An assignment counts only if its value looks random: long, mixed, and no placeholder."""
    found = _ASSIGNED.search(matched)
    if found is None:
        return False
    value = found[1]
    if len(value) < 12 or _PLACEHOLDER.search(value):
        return False
    kinds = sum(any(test(char) for char in value) for test in (str.islower, str.isupper, str.isdigit))
    return kinds >= 2 and entropy(value) >= 3.3


def _real_password(matched: str) -> bool:
    """The password of a URL's user part, unless it is a placeholder."""
    password = matched.rpartition("@")[0].rpartition(":")[2]
    return len(password) >= 4 and not re.search(
        r"^(?:\*+|x+|<.*|\$\{.*|\{.*|%s|password|pass|pw|secret)", password, re.IGNORECASE
    )


def _no_example(matched: str) -> bool:
    return "EXAMPLE" not in matched and not re.search(r"x{8,}|X{8,}|0{12,}", matched)


RULES = (
    Rule("aws-access-key", _S, r"(?-i)\b(?:AKIA|ASIA|AROA|AGPA|ANPA)[0-9A-Z]{16}\b", check=_no_example, certain=True),
    Rule("aws-secret-key", _S, r"aws_?secret_?(?:access_?)?key\w*[\"']?\s*[:=]>?\s*[\"']?[A-Za-z0-9/+=]{40}\b", check=_no_example, certain=True),
    Rule("github-token", _S, r"(?-i)\bgh[pousr]_[A-Za-z0-9]{36,255}\b|\bgithub_pat_[A-Za-z0-9_]{60,255}\b", check=_no_example, certain=True),
    Rule("gitlab-token", _S, r"(?-i)\bgl(?:pat|ptt|dt|rt|cbt|oas|soat)-[A-Za-z0-9_-]{20,64}\b", check=_no_example, certain=True),
    Rule("slack-token", _S, r"(?-i)\bxox[abeoprs]-[A-Za-z0-9-]{10,250}\b|\bxapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+\b", check=_no_example, certain=True),
    Rule("webhook", _S, r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_+-]{20,}|https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}", check=_no_example, certain=True),
    Rule("stripe-key", _S, r"(?-i)\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,247}\b|\bwhsec_[A-Za-z0-9]{24,}\b", check=_no_example, certain=True),
    Rule("model-provider-key", _S, r"(?-i)\bsk-(?:ant-|proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{20,200}\b", check=lambda m: _no_example(m) and sum(c.isdigit() for c in m) >= 3, certain=True),
    Rule("google-key", _S, r"(?-i)\bAIza[0-9A-Za-z_-]{35}\b|\bya29\.[0-9A-Za-z_-]{30,}\b|\bGOCSPX-[0-9A-Za-z_-]{28}\b", check=_no_example, certain=True),
    Rule("azure-key", _S, r"\b(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,88}={0,2}|[?&]sig=[A-Za-z0-9%]{43,53}%3D", certain=True),
    Rule("cloudflare-token", _S, r"(?-i)\bcf(?:ast|ut|k)_[A-Za-z0-9]{40,}\b", certain=True),
    Rule("package-token", _S, r"(?-i)\bnpm_[A-Za-z0-9]{36}\b|\bpypi-AgE[A-Za-z0-9_-]{50,}\b|\brubygems_[a-f0-9]{48}\b|\bdop_v1_[a-f0-9]{64}\b|\bhvs\.[A-Za-z0-9_-]{24,}|\bdckr_pat_[\w-]{27}\b|\bhf_[A-Za-z]{34}\b", certain=True),
    Rule("mail-service-key", _S, r"(?-i)\bSG\.[\w-]{22}\.[\w-]{43}\b|\bkey-[0-9a-f]{32}\b|\bAC[0-9a-f]{32}:[0-9a-f]{32}\b", certain=True),
    Rule("private-key", _S, r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s\\:,.-]{40}[A-Za-z0-9+/=\s\\:,.]*(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)?", certain=True),
    Rule("json-web-token", _S, r"(?-i)\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{20,}", certain=True),
    Rule("url-password", _S, r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:@/\"'<>]{0,64}:[^\s@/\"'<>]{3,128}@[\w.\[\]-]+", check=_real_password, certain=True),
    Rule("assigned-secret", _S, r"\b[\w.-]{0,40}(?:passw(?:or)?d|passwd|pwd|secret|api[_-]?key|apikey|access[_-]?key|auth[_-]?token|access[_-]?token|refresh[_-]?token|client[_-]?secret|private[_-]?key|bearer)[\w.-]{0,20}[\"']?\s{0,3}[:=]>?\s{0,3}[\"'`]?[^\s\"'`,;]{8,200}[\"'`]?", check=_random, certain=True),
    Rule("authorization-header", _S, r"\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+[A-Za-z0-9._~+/=-]{16,}", check=_no_example, certain=True),
)  # fmt: skip
