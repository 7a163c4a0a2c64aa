"""Command, SQL, template, header and path abuse in arguments.

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
_PROGRAM = re.compile(_PROGRAMS, re.IGNORECASE)
#: What begins an expression of a template: Jinja, Thymeleaf, FreeMarker, Ruby, OGNL, ERB.
_OPENS = r"(?:\{\{|[#*%~]\{|<%[=-])"
#: Fields that change where an answer goes, who asks, or to whom a mail is sent.
_FIELDS = (
    r"(?:set-cookie|cookie|location|host|authorization|content-(?:length|type|security-policy)|transfer-encoding|refresh|bcc|"
    r"x-[a-z][a-z0-9-]*|proxy-[a-z-]+|access-control-[a-z-]+)"
)
#: How the directory of a person begins.
_HOME = r"(?:~[a-z0-9_-]*|/root|/(?:home|Users)/[^/\s]+|\$\{?HOME\}?)/"
_SHELL = r"(?:/bin/|/usr/bin/)?(?:ba|z|da|k|c)?sh"


#: What stands between two words of SQL; a comment is a blank there too.
_BLANK = r"(?:\s|/\*[^*\n]{0,32}\*/)+"


def _equal(value: str, before: str) -> bool:
    """Whether both sides of the comparison are equal, so that it is always true."""
    sides = re.split(r"\s*(?:=|like)\s*", value.lower(), maxsplit=1)
    left_side, right_side = (re.sub(r"^.*\s|[\s'\"()]", "", side.strip()) for side in (sides[0], sides[-1]))
    return len(sides) == 2 and left_side == right_side != ""


def _rule(id_: str, pattern: str, subject: str = "", **options: object) -> DetectionRule:
    """A rule for arguments that may hold its subject, which is the first word of its name where none is given."""
    subject = subject or id_.partition(".")[0]
    return DetectionRule(id_, Category.MALICIOUS_CODE, pattern, legs=_ARGUMENTS, subject=subject, **options)  # type: ignore[arg-type]


def _is_program(value: str, before: str) -> bool:
    """Whether a word is a program's name once the quotes within it are gone, as a shell reads it."""
    return _PROGRAM.fullmatch(re.sub("[\"']", "", value)) is not None


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
        subject="chain",
    ),
    _rule("command.piped_away", r"\|\s*(?:nc|ncat|netcat|telnet)\s|\bmkfifo\s[^|]*[;&|]"),
    _rule(
        "command.destroy",
        r"\brm\s+(?:-[a-z-]+\s+)+[\"']?(?:/|~|\*|\$\{?home\}?)[\"']?(?:\s|$|\*|;|/\*?(?:\s|$))|\bmkfs\.[a-z0-9]+\s+/dev|\bdd\s+if=/dev/(?:zero|u?random)\s+of=/dev|"
        r"(?:>\s*|\b(?:shred|wipefs)\b[^|;&\n]*\s)/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|disk)[a-z0-9]*|\bfind\s+(?:/|~)\s(?:[^|;&\n]*\s)?-delete\b|"
        r"\bch(?:mod|own)\s+(?:-[a-z]*r[a-z]*|--recursive)\s+[0-7a-z+:=]+\s+/(?:\s|$)",
    ),
    _rule(
        "command.reverse_shell",
        r"/dev/(?:tcp|udp)/|\bn(?:c|cat|etcat)\s(?:[^\n|;]*\s)?-[a-z]*e\s|\bsocat\b[^\n|]*\bexec:",
    ),
    _rule("command.fork_bomb", r":\s*\(\s*\)\s*\{\s*:\s*\|\s*:\s*&\s*\}"),
    _rule(
        # Any beginning of the option's name is the option, after any of four dashes or a slash (about_PowerShell_exe).
        "command.powershell",
        r"\b(?:powershell|pwsh)(?:\.exe)?\b[^|;]*[\s'\"][-/–—―](?:e|ec|en|enc|enco|encod|encode|encoded[a-z]*)[\s:'\",]+[a-z0-9+/=]{16}|"
        r"\biex\s*\(|\|\s*iex\b|\binvoke-expression\s*[(\"'$]|\bfrombase64string\s*\(",
        trigger=r"\b(?:powershell|pwsh)(?:\.exe)?\b|\biex\b|\binvoke-expression\b|\bfrombase64string\b",
    ),
    _rule(
        "command.windows_fetch",
        r"\bcertutil(?:\.exe)?\b[^\n|;]*[-/](?:urlcache|verifyctl)\b|\bbitsadmin(?:\.exe)?\b[^\n|;]*/(?:transfer|addfile)\b|"
        r"\bmshta(?:\.exe)?\s+[\"']?(?:https?|javascript|vbscript):|\bregsvr32(?:\.exe)?\b[^\n|;]*/i:[\"']?https?:|"
        r"\brundll32(?:\.exe)?\s+[\"']?javascript:",
        trigger=r"\b(?:certutil|bitsadmin|mshta|regsvr32|rundll32)\b",
    ),
    # What a shell reads as a blank, a list of words or a name, so that the command does not look like one.
    _rule("command.blanks", r"[\w'\")/]\$(?:IFS\b|\{IFS\b[^}\n]{0,16}\})", cased=True),
    _rule("command.braces", rf"(?:^|[;&|`(]\s*|\$\(\s*)\{{{_PROGRAMS},[^}}\s]+\}}"),
    _rule(
        "command.quoted_name",
        r"(?:^|[;&|`(]\s*)([a-z]+(?:''|\"\"|['\"][a-z0-9]+['\"])[a-z0-9'\"]*)(?:\s|$)",
        check=_is_program,
        group=1,
    ),
    _rule("command.escaped_name", r"\$'[^'\n]*(?:\\x[2-7][0-9a-f]|\\[01][0-7]{2}){3}", trigger=r"\$'[^'\n]*\\"),
    _rule("command.fetched", r"(?:\b(?:ba|z|da)?sh|\bsource|(?:^|[;&|]\s*)\.)\s+<\(\s*(?:curl|wget)\b"),
    # An option in the place of a value, and a repository whose address is a command: the program that gets it runs them.
    _rule(
        "command.option",
        r"^\s*-(?:-(?:upload-pack|receive-pack|exec|open-files-in-pager|checkpoint-action|to-command|use-compress-program|rsh|ext-diff)(?:=|$)|o\s*proxycommand\b)|"
        r"\bproxycommand\s*=\s*[\"']?\S|--checkpoint-action=exec|\b(?:ext|fd)::[^:\s]",
        trigger=r"^\s*-(?:-[a-z]|o\s*proxy)|\bproxycommand\s*=|--checkpoint-action|\b(?:ext|fd)::",
    ),
    _rule("command.function_variable", r"\(\)\s*\{\s*:;\s*\}\s*;"),
    _rule(
        "command.python",
        r"__import__\s*\(\s*[\"'](?:os|subprocess|socket|pty|builtins)|\bpython[0-9.]*\s+-c\s+[\"'].*(?:os\.|subprocess|socket|pty)",
        trigger=r"__import__\s*\(|\bpython[0-9.]*\s+-c\s",
    ),
    _rule(
        "command.template",
        # `${1-5}` is a shell's own: the first argument, else 5.
        rf"{_OPENS}\s*-?\d+\s*[*+-]\s*['\"]?\d|\$\{{\s*\d+\s*\*\s*\d|\{{\{{\s*(?:config|self)\s*\}}\}}|"
        r"\{\{[^}\n]*(?:__[a-z]+__|\|\s*attr\s*\(|\bconstructor\s*[.(\[]|popen|config\.)|\{%-?\s*(?:import|include|from)\s|"
        r"<%=|<%[^%\n]*(?:system|exec|runtime)",
        trigger=r"\{\{|\{%|[$#*%~]\{|<%",
    ),
    _rule(
        "command.expression_language",
        r"\$\{[^}\n]*runtime\b[.()@]|[$#*%]\{[^}\n]*(?:\bT\s*\(|@java\.|#_?memberaccess|\bgetclass\s*\(|\bprocessbuilder\b|\bruntime@)",
        trigger=r"[$#*%]\{",
    ),
    _rule(
        # A look-up within a look-up is there to hide a name: `${${lower:j}ndi:…}`, `${${::-j}ndi:…}`.
        "command.lookup",
        r"\$\{\s*jndi\s*:|\$\{(?:lower|upper|base64)\s*:[^}\n]{1,64}\}|\$\{[^}$\n]{0,64}:[^}$\n]{0,64}:-[^}\n]{0,8}\}",
        trigger=r"\$\{\s*(?:jndi|lower|upper|base64)\s*:|\$\{[^}$\n]*:[^}$\n]*:-",
    ),
    _rule(
        # What compares (MongoDB: query selectors) in the place of a value, and code that the database would run.
        "command.operator",
        r"^\s*\{\s*['\"]?\$(?:gte?|lte?|ne|n?in|eq|regex|exists|not|type|size|all|elemmatch)['\"]?\s*:|[{,]\s*['\"]?\$(?:where|function)['\"]?\s*:",
        trigger=r"\$[a-z]+['\"]?\s*:",
    ),
    _rule(
        # The way to the common ancestor of all objects of JavaScript, as a member's name (CWE-1321).
        "command.prototype",
        r"^[\w$.\[\]\"']*(?:__proto__|\bconstructor[\"'\]]*[.\[][\"']?prototype\b)[\w$.\[\]\"']*$",
        trigger=r"__proto__|prototype",
    ),
    _rule("header.injected", rf"\r\n?{_FIELDS}:", trigger=r"\r\n?[a-z-]+:"),
    _rule(
        "sql.tautology",
        r"\b(?:or|and)\s+(?:\(?\s*'[^'\n]{0,20}'\s*(?:=|like)\s*'[^'\n]{0,20}'?|\(?\s*\"[^\"\n]{0,20}\"\s*=\s*\"[^\"\n]{0,20}\"?|\d+\s*=\s*\d+)",
        trigger=r"\b(?:or|and)\s+\(?\s*[\"'\d]",
        check=_equal,
        subject="breakout",
    ),
    _rule(
        "sql.quoted_tautology",
        rf"['\"]\s*\)?\s*(?:or{_BLANK}|\|\|\s+)(?:true\b|1\b|'1'|not\s+false)|'\s*\|\|\s*'[^'\n]{{0,20}}'\s*=\s*'|'\s*(?:or|and)/\*",
        subject="breakout",
    ),
    _rule(
        "sql.stacked",
        r"(?:['\")\d]|--)\s*;\s*(?:drop|alter|truncate|delete\s+from|insert\s+into|update|create\s+user|grant|exec(?:ute)?|shutdown)\s",
    ),
    _rule("sql.drop", r";\s*(?:drop\s+(?:table|database|schema|user)|truncate\s+table|shutdown)\b"),
    _rule(
        "sql.union",
        rf"['\"\d)]\s*\)?\s*union{_BLANK}(?:all{_BLANK})?select\b|union{_BLANK}(?:all{_BLANK})?select{_BLANK}(?:null|\d+\s*,)|\bfrom\s+information_schema\.",
        subject="breakout",
    ),
    _rule("sql.comment", r"['\"]\s*\)?\s*(?:--\s*$|--\s+|#\s*$|/\*)", subject="breakout"),
    _rule(
        "sql.delay",
        r"\b(?:sleep|pg_sleep|benchmark)\s*\(\s*\d[^)\n]*\)\s*(?:\)|--|#|;|and|or|$)|\bwaitfor\s+delay\b|\bdbms_(?:pipe|lock)\.",
        trigger=r"\b(?:sleep|pg_sleep|benchmark)\s*\(\s*\d|\bwaitfor\s+delay\b|\bdbms_(?:pipe|lock)\.",
    ),
    _rule(
        "sql.escape",
        r"\bxp_cmdshell\b|\binto\s+(?:out|dump)file\b|\bload_(?:file|extension)\s*\(|\bcopy\b[^\n;]*\b(?:from|to)\s+program\b|"
        r"\bpg_read_(?:binary_)?file\s*\(|\blo_(?:import|export)\s*\(|\battach\s+database\s+['\"]/|\bload\s+data\s+(?:local\s+)?infile\b|"
        r"\bfrom\s+(?:pg_shadow|pg_authid|mysql\.user|sys\.sql_logins)\b",
        trigger=r"\bxp_cmdshell\b|\binto\s+(?:out|dump)file\b|\bload_(?:file|extension)\s*\(|\b(?:from|to)\s+program\b|\bpg_read_|"
        r"\blo_(?:import|export)\s*\(|\battach\s+database\b|\binfile\b|\bfrom\s+(?:pg_|mysql\.|sys\.)",
    ),
    _rule(
        # A filter of LDAP that is closed before it was opened: the value leaves its place (RFC 4515).
        "sql.filter",
        r"^[^()\n]*\)\s*\(+\s*[|&!]?\s*\(?[a-z]{2,24}[~<>]?=",
    ),
    _rule(
        "path.traversal",
        r"(?:\.\.+[/\\]+){4}|(?:\.\.[/\\]+){2,}(?:etc|proc|root|home|var|usr|boot|windows|winnt|users|private)\b",
    ),
    _rule(
        "path.sensitive",
        r"/etc/(?:shadow|passwd|sudoers|gshadow|master\.passwd|security/opasswd|kubernetes/[a-z-]+\.conf)\b|/etc/ssh/ssh_host_[a-z0-9]+_key(?:[^.]|$)|"
        r"/proc/(?:self|thread-self|\d+)/(?:environ|mem|maps|cmdline|fd|root|cwd|task)\b|/proc/kcore\b|/dev/k?mem\b|"
        r"\.ssh/(?:id_|authorized_keys|config\b)|\bid_(?:rsa|ed25519|ecdsa|dsa)\b|\.aws/(?:credentials|config)\b|\.kube/config\b|"
        r"\.config/gcloud/|\.config/gh/hosts\.yml\b|\.docker/config\.json|\.git-credentials\b|(?:^|[/\\~])[._]netrc\b|\.pgpass\b|\.gnupg/|"
        rf"{_HOME}\.(?:npmrc|pypirc)\b|/(?:var/)?run/secrets/|/(?:var/)?run/(?:docker|containerd/containerd|crio/crio|podman/podman)\.sock\b|"
        r"\bconfig[/\\]+sam\b|\bntds\.dit\b|\.(?:bash|zsh)_history\b|\blogin\.keychain(?:-db)?\b|"
        r"\b(?:firefox|thunderbird)[/\\][^\n]*\b(?:logins\.json|key4\.db)\b|\b(?:chrome|chromium|edge|brave-browser)[/\\][^\n]*[/\\](?:login data|cookies)\b",
    ),
    _rule("path.null", r"\x00|%00"),
)
