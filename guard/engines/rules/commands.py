"""Command, SQL, template and path abuse in arguments.

Only arguments are judged, and of those only what may be run (`model.parameter_kinds`): documentation and code in results
or in a file that is written are full of the same signs, and nothing runs there. The rules also match the arguments of a
tool that is meant to run commands; policy (`legs.arguments`, grants) decides what follows.
"""

from __future__ import annotations

import re

from guard.engines.rules.rule import DetectionRule
from guard.inspect.verdict import Category, Leg

_ARGUMENTS = frozenset((Leg.ARGUMENTS,))
_PROGRAMS = (
    r"(?:curl|wget|nc|ncat|netcat|bash|zsh|sh|python[0-9.]*|perl|ruby|php|powershell|pwsh|cmd|whoami|id|env|printenv|cat|base64|"
    r"nslookup|dig|socat|telnet|ssh|scp)"
)
_SHELL = r"(?:/bin/|/usr/bin/)?(?:ba|z|da|k|c)?sh"


def _equal(value: str, before: str) -> bool:
    """Whether both sides of the comparison are equal, so that it is always true."""
    sides = re.split(r"\s*(?:=|like)\s*", value.lower(), maxsplit=1)
    left_side, right_side = (re.sub(r"^.*\s|[\s'\"()]", "", side.strip()) for side in (sides[0], sides[-1]))
    return len(sides) == 2 and left_side == right_side != ""


def _rule(id_: str, pattern: str, **options: object) -> DetectionRule:
    subject = id_.partition(".")[0]
    return DetectionRule(id_, Category.MALICIOUS_CODE, pattern, legs=_ARGUMENTS, subject=subject, **options)  # type: ignore[arg-type]


RULES = (
    _rule("command.substitution", rf"\$\(\s*{_PROGRAMS}\b[^)\n]*\)", trigger=rf"\$\(\s*{_PROGRAMS}\b"),
    _rule(
        "command.backticks",
        r"`\s*(?:wget|curl|nc|ncat|bash|sh|whoami|id)\b[^`\n]*`",
        trigger=r"`\s*(?:wget|curl|nc|ncat|bash|sh|whoami|id)\b",
    ),
    _rule("command.piped_to_shell", rf"\|\s*(?:sudo\s+)?{_SHELL}(?:\s|$|['\")`;])"),
    _rule("command.xargs_shell", rf"\bxargs\b[^|\n]*\b{_SHELL}\s+-c", trigger=r"\bxargs\b"),
    _rule(
        "command.chained",
        r"(?:;|&&|\|\||\||&)\s*(?:(?:sudo\s+)?rm\s+-|(?:curl|wget)\s+[-\w]*\s*[\"']?(?:https?:|[a-z0-9.-]+/)|(?:nc|ncat|netcat)\s|"
        r"(?:ba|z)?sh\s+-|python[0-9.]*\s+-c|perl\s+-e|mkfifo\s|powershell\b|cat\s+/etc/|whoami\b|chmod\s+[+0-7])",
    ),
    _rule(
        "command.destroy",
        r"\brm\s+(?:-[a-z-]+\s+)+(?:/|~|\*|\$home)(?:\s|$|\*|;)|\bmkfs\.[a-z0-9]+\s+/dev|\bdd\s+if=/dev/(?:zero|u?random)\s+of=/dev",
    ),
    _rule(
        "command.reverse_shell",
        r"/dev/(?:tcp|udp)/|\bn(?:c|cat|etcat)\s(?:[^\n|;]*\s)?-[a-z]*e\s|\bsocat\b[^\n|]*\bexec:",
    ),
    _rule("command.fork_bomb", r":\s*\(\s*\)\s*\{\s*:\s*\|\s*:\s*&\s*\}"),
    _rule(
        "command.powershell",
        r"\b(?:powershell|pwsh)(?:\.exe)?\b[^\n|;]*\s-(?:e|ec|enc|encodedcommand)\s+[a-z0-9+/=]{16}|\biex\s*\(",
        trigger=r"\b(?:powershell|pwsh)(?:\.exe)?\b|\biex\s*\(",
    ),
    _rule(
        "command.python",
        r"__import__\s*\(\s*[\"'](?:os|subprocess|socket|pty|builtins)|\bpython[0-9.]*\s+-c\s+[\"'].*(?:os\.|subprocess|socket|pty)",
        trigger=r"__import__\s*\(|\bpython[0-9.]*\s+-c\s",
    ),
    _rule(
        "command.template",
        r"\{\{[^}\n]*(?:__class__|__globals__|__mro__|__subclasses__|popen|config\.)|\$\{(?:jndi:|[^}\n]*runtime\b)|<%=?[^%\n]*(?:system|exec|runtime)",
        trigger=r"\{\{|\$\{|<%",
    ),
    _rule(
        "sql.tautology",
        r"\b(?:or|and)\s+(?:\(?\s*'[^'\n]{0,20}'\s*(?:=|like)\s*'[^'\n]{0,20}'?|\(?\s*\"[^\"\n]{0,20}\"\s*=\s*\"[^\"\n]{0,20}\"?|\d+\s*=\s*\d+)",
        trigger=r"\b(?:or|and)\s+\(?\s*[\"'\d]",
        check=_equal,
    ),
    _rule("sql.quoted_tautology", r"['\"]\s*\)?\s*(?:or|\|\|)\s+(?:true\b|1\b|'1'|not\s+false)"),
    _rule(
        "sql.stacked",
        r"(?:['\")\d]|--)\s*;\s*(?:drop|alter|truncate|delete\s+from|insert\s+into|update|create\s+user|grant|exec(?:ute)?|shutdown)\s",
    ),
    _rule("sql.drop", r";\s*(?:drop\s+(?:table|database|schema|user)|truncate\s+table|shutdown)\b"),
    _rule(
        "sql.union",
        r"['\"\d)]\s*\)?\s*union\s+(?:all\s+)?select\b|union\s+(?:all\s+)?select\s+(?:null|\d+\s*,)|\bfrom\s+information_schema\.",
    ),
    _rule("sql.comment", r"['\"]\s*\)?\s*(?:--\s*$|--\s+|#\s*$|/\*)"),
    _rule(
        "sql.delay",
        r"\b(?:sleep|pg_sleep|benchmark)\s*\(\s*\d[^)\n]*\)\s*(?:\)|--|#|;|and|or|$)|\bwaitfor\s+delay\b|\bdbms_(?:pipe|lock)\.",
        trigger=r"\b(?:sleep|pg_sleep|benchmark)\s*\(\s*\d|\bwaitfor\s+delay\b|\bdbms_(?:pipe|lock)\.",
    ),
    _rule(
        "sql.escape",
        r"\bxp_cmdshell\b|\binto\s+(?:out|dump)file\b|\bload_file\s*\(|\bcopy\b[^\n;]*\bfrom\s+program\b",
        trigger=r"\bxp_cmdshell\b|\binto\s+(?:out|dump)file\b|\bload_file\s*\(|\bfrom\s+program\b",
    ),
    _rule(
        "path.traversal",
        r"(?:\.\.+[/\\]+){4}|(?:\.\.[/\\]+){2,}(?:etc|proc|root|home|var|usr|boot|windows|winnt|users|private)\b",
    ),
    _rule(
        "path.sensitive",
        r"/etc/(?:shadow|passwd|sudoers|gshadow)\b|/proc/(?:self|\d+)/(?:environ|mem|maps|cmdline|fd)\b|\.ssh/(?:id_|authorized_keys|config\b)|"
        r"\bid_(?:rsa|ed25519|ecdsa|dsa)\b|\.aws/(?:credentials|config)\b|\.kube/config\b|\.config/gcloud/|\.docker/config\.json|\.git-credentials\b|"
        r"(?:^|[/\\~])\.netrc\b|\.gnupg/|/var/run/secrets/|/run/secrets/|\bconfig[/\\]+sam\b|\bntds\.dit\b|\.bash_history\b|/var/run/docker\.sock",
    ),
    _rule("path.null", r"\x00|%00"),
)
