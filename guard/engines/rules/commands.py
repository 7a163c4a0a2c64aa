"""Arguments that reach for a shell, a database or files they should not: what an injected call looks like at its end.

A tool whose purpose is to run commands meets these too; whoever grants it decides by policy and argument constraints.
"""

from __future__ import annotations

from guard.engines.rules.rule import OUTGOING, Rule
from guard.verdict import Category

_C = Category.MALICIOUS_CODE
_PROGRAMS = r"(?:rm|curl|wget|nc|ncat|bash|sh|zsh|python3?|perl|ruby|php|powershell|pwsh|cmd|cat|chmod|chown|dd|mkfs|kill|sudo|su|ssh|scp|base64|eval|exec|whoami|id|env|printenv|crontab|systemctl|nslookup|dig|ping|uname)"

RULES = (
    Rule("command-chain", _C, rf"(?:;|&&|\|\||\||\n|`|\$\()\s*(?:sudo\s+)?(?:/(?:usr/)?(?:local/)?s?bin/)?{_PROGRAMS}\b(?:\s+[-/~.$\w\"'|>&<]|\s*[;|&)`]|\s*$)", OUTGOING),
    Rule("substitution", _C, rf"\$\(\s*(?:/\w+)*/?{_PROGRAMS}\b|`\s*(?:/\w+)*/?{_PROGRAMS}\b[^`\n]*`", OUTGOING),
    Rule("pipe-to-shell", _C, r"\b(?:curl|wget|fetch|iwr|invoke-webrequest)\b[^\n]{0,300}\|\s*(?:sudo\s+)?(?:ba|z|da|k)?sh\b|\b(?:iex|invoke-expression)\b\s*\(", OUTGOING),
    Rule("destruction", _C, r"\brm\s+(?:-\w+\s+)*-\w*[rf]\w*\s+(?:-\w+\s+)*[/~*.$]|\bmkfs(?:\.\w+)?\s+/dev/|\bdd\s+if=[^\n]{1,80}\bof=/dev/|:\(\)\s*\{\s*:\s*\|\s*:|\bformat\s+c:|\bdel\s+/[sfq]\b", OUTGOING),
    Rule("reverse-shell", _C, r"/dev/(?:tcp|udp)/[\w.]+/\d+|\bnc(?:at)?\b[^\n]{0,40}\s-[a-z]*e\b|\bbash\s+-i\b[^\n]{0,20}>&|\bmkfifo\b[^\n]{0,60}\bnc\b|\bsocat\b[^\n]{0,60}\bexec:", OUTGOING),
    Rule("encoded-command", _C, r"\bpowershell(?:\.exe)?\b[^\n]{0,60}\s-e(?:nc|ncodedcommand)?\s+[A-Za-z0-9+/=]{16,}|\bbase64\s+(?:-d|--decode|-D)\b[^\n]{0,40}\|\s*(?:ba)?sh\b|\beval\s*\(\s*(?:atob|base64_decode|__import__|compile)\b|\b__import__\(\s*['\"](?:os|subprocess|socket)", OUTGOING),
    Rule("sql-tautology", _C, r"['\"]\s*(?:or|and)\s+(?:['\"]?\w+['\"]?\s*=\s*['\"]?\w+['\"]?|\d+\s*=\s*\d+|true\b|1\b)\s*(?:--|#|/\*|;|['\"]|$)|\bor\s+1\s*=\s*1\b", OUTGOING),
    Rule("sql-stacked", _C, r"['\")\d]\s*;\s*(?:drop|delete|truncate|alter|insert|update|create|grant|exec(?:ute)?|shutdown)\s+(?:table|from|into|database|user|role|all|\w+)|\bunion\s+(?:all\s+)?select\b\s+(?:null|\d|\w+\s*,|\w+\s+from|['\"*@])", OUTGOING),
    Rule("sql-reach", _C, r"\bxp_cmdshell\b|\binto\s+(?:out|dump)file\b|\bload_file\s*\(|\bpg_read_file\s*\(|\bcopy\s+\w+\s+(?:to|from)\s+program\b|\b(?:pg_)?sleep\s*\(\s*\d+\s*\)\s*(?:--|;|\))|\bwaitfor\s+delay\b|\binformation_schema\.(?:tables|columns)\b[^\n]{0,40}(?:--|union)", OUTGOING),
    Rule("path-traversal", _C, r"(?:\.\.[/\\]){2,}|(?:%2e%2e|\.\.)(?:%2f|%5c)|\.\.%c0%af|(?:^|[\s\"'=:/])\.\.[/\\](?:etc|root|home|\.ssh|windows|proc)\b", OUTGOING),
    Rule("sensitive-path", _C, r"(?:^|[\s\"'=:@(<])(?:file://)?(?:/etc/(?:passwd|shadow|sudoers|ssh/|kubernetes/)|/proc/(?:self|\d+)/(?:environ|mem|maps|cmdline)|/root/\.|/var/run/(?:docker\.sock|secrets/)|/run/secrets/|(?:~|\$HOME|/home/[\w.-]+|/Users/[\w.-]+)/\.(?:ssh|aws|gnupg|kube|netrc|npmrc|docker|config/gcloud|cursor|bash_history|git-credentials))|\bid_(?:rsa|ed25519|ecdsa)\b|\\\\windows\\\\system32\\\\config\\\\sam\b|(?:^|/)\.(?:env|netrc|pgpass|git-credentials)(?:\.\w+)?$", OUTGOING),
    Rule("template-injection", _C, r"\$\{jndi:|\{\{\s*(?:config|self|request|''|\"\"|\[\])\s*(?:\.|\[|\|)[^}]{0,80}(?:__class__|__globals__|mro|popen)|\{\{\s*\d+\s*\*\s*\d+\s*\}\}|<%=?\s*(?:system|exec|eval|`)", OUTGOING),
    Rule("markup-script", _C, r"<script\b[^>]*>|\bonerror\s*=\s*[\"']?\w+\s*\(|\bjavascript:\s*\w+\s*\(|<!ENTITY\s+\S+\s+SYSTEM\b", OUTGOING),
)  # fmt: skip
