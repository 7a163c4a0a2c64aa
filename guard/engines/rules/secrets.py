"""Rules for keys, tokens and passwords: by the form their issuer documents, or by a name beside a random-looking value.

Every match has a span, so that policy can cut it out instead of blocking. Placeholders (`<your-key>`, `${VAR}`, `****`, AWS's
documented EXAMPLE keys), default passwords that everyone knows and sample tokens are no secrets.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter
from typing import Any

from guard.engines.rules.rule import Check, DetectionRule, members
from guard.inspect.verdict import Category

_PLACEHOLDER = re.compile(
    r"(?i)example|your|changeme|placeholder|redacted|dummy|sample|xxxx|\*\*\*|\.\.\.|^[<{$%\[(]|^(?:test|none|null|true|false)$"
)
#: Names that end in token or key and hold no secret: list cursors, form tokens, storage keys.
_HARMLESS_NAME = re.compile(
    r"(?i)(?:page|next|prev(?:ious)?|continuation|sync|cursor|csrf|xsrf|public|primary|foreign|sort|partition|cache|"
    r"device|max|min|count|total|input|output|prompt|completion|idempotency|object|s3|row|hash|lock|client[\s_.-]?request)[\s_.-]*(?:token|key|secret|credentials?)[\s\\\"'`:=>]*$"
    # The name of a secret in AWS, which is none: `arn:aws:secretsmanager:…:secret:NAME`.
    r"|:\d{12}:secret:$"
)
#: AWS repeats the token by which a client tells its requests apart, a UUID; a client's key or secret is another thing.
_REQUEST_TOKEN = re.compile(r"(?i)client[\s_.-]?token[\s\\\"'`:=>]*$")
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


_DIGIT, _LETTER = re.compile("[0-9]"), re.compile("[A-Za-z]")


def entropy(value: str) -> float:
    """Shannon entropy in bits a character."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values()) if size else 0.0


def _mixed(value: str) -> bool:
    return _DIGIT.search(value) is not None and _LETTER.search(value) is not None


def _classes(value: str) -> int:
    return sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]"))


def real(value: str, before: str) -> bool:
    return _PLACEHOLDER.search(value) is None


def random_looking(value: str, before: str) -> bool:
    """Whether the value is long and mixed enough that no person chose it as a name; hexadecimal needs less entropy."""
    # Cheap tests first: a text may consist of such values alone. Three bits of entropy need eight different characters.
    if len(set(value)) < 8 or _PLACEHOLDER.search(value) or _HARMLESS_NAME.search(before):
        return False
    if _REQUEST_TOKEN.search(before) and _UUID.fullmatch(value):
        return False
    if re.fullmatch(r"[0-9a-fA-F]{32,}", value):
        return entropy(value) >= 3.0
    return _mixed(value) and _classes(value) >= 3 - (len(value) >= 24) and entropy(value) >= 3.5


#: Passwords that images and servers come with, and that documentation and tests use.
_DEFAULTS = members(
    "postgres postgresql root admin administrator guest test tester user username demo rabbitmq rabbit minio minioadmin mysql "
    "mariadb redis mongo mongodb elastic kibana oracle sa neo4j vagrant docker app dev local sample foo bar foobar baz toor "
    "pass pwd passwd password secret changeme changeit letmein x-oauth-basic airflow grafana keycloak sonar zabbix pgbouncer"
)
_LEET = str.maketrans("4@310$57!", "aaeiossti")
_WEAK = re.compile(
    r"(?:my|your|the|db|dev|test|demo|local|root|admin|user|super|app|some|new|old|strong)*"
    r"(?:password|passwd|passphrase|pass|pw|secret|changeme|letmein|qwerty|welcome|hunter)+"
)


def weak(value: str) -> bool:
    """Whether everyone knows the password: a default, or a word for it with some letters as digits and a short end."""
    plain = value.lower()
    stem = re.sub(r"[\W\d_]{1,6}$", "", plain)
    words = {re.sub(r"[\s_.-]", "", text.translate(_LEET)) for text in (plain, stem)} | {stem}
    return plain in _DEFAULTS or stem in _DEFAULTS or any(_WEAK.fullmatch(word) for word in words)


def password(value: str, before: str) -> bool:
    """Whether the value is no word, call, path or reference: letters, digits and a third class, or ten of two classes."""
    return (
        _mixed(value)
        and (len(value) >= 10 or _classes(value) >= 3)
        and not _PLACEHOLDER.search(value)
        and not weak(value)
        and not re.search(r"[()\[\]{}<>]|^\.|::|->|^/|://", value)
        and not _HARMLESS_NAME.search(before)
    )


def _in_url(value: str, before: str) -> bool:
    """Whether the password is one: not the user's own name, and none that everyone knows."""
    user = before.rstrip(":").rpartition("/")[2]
    return real(value, before) and value.lower() != user.lower() and not weak(value)


def _basic(value: str, before: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


#: Tokens that ended before this time are in no use; fixed, so that a text has one verdict (2024-01-01).
_LONG_AGO = 1_704_067_200
_EXAMPLE_ISSUER = re.compile(
    r"(?i)^(?:joe|https?://(?:[\w-]+\.)*(?:example\.(?:com|org|net)|[\w-]+\.(?:example|test|invalid))(?:[/:]|$))"
)


def _json_part(part: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None


def _jwt(value: str, before: str) -> bool:
    """Whether the header is JSON with an algorithm, and the token no sample: unsigned, long expired, of an example's issuer
    (RFC 2606, RFC 7519), or the one that every introduction shows."""
    head, body, *_ = value.split(".")
    try:
        if b'"alg"' not in base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)):
            return False
    except (binascii.Error, ValueError):
        return False
    header, claims = _json_part(head), _json_part(body)
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return True
    if str(header.get("alg")).lower() == "none" or (claims.get("sub"), claims.get("name")) == (
        "1234567890",
        "John Doe",
    ):
        return False
    expires = claims.get("exp")
    if isinstance(expires, int | float) and expires < _LONG_AGO:
        return False
    return not _EXAMPLE_ISSUER.match(str(claims.get("iss", "")))


def _in_use(value: str, before: str) -> bool:
    """Whether a random-looking value is no sample token."""
    return random_looking(value, before) and (
        not value.startswith("eyJ") or value.count(".") != 2 or _jwt(value, before)
    )


_KEY_BODY = re.compile(r"[A-Za-z0-9+/=]{40}")
_LINE_END = re.compile(r"\s*(?:\n|\\[nr])+[\s\"'+]*")


def _private_key(value: str, before: str) -> bool:
    """Whether a key follows the header, which source and documentation often name alone."""
    return _KEY_BODY.search(_LINE_END.sub("", value[:2000])) is not None


def _ended(value: str) -> bool:
    return "-----END" in value


def _key(id_: str, trigger: str, body: str, check: Check = real, confidence: float = 0.95) -> DetectionRule:
    return DetectionRule(
        f"secret.{id_}",
        Category.SECRET,
        rf"\b{trigger}{body}",
        trigger=rf"\b{trigger}",
        cased=True,
        check=check,
        confidence=confidence,
    )


_NAME = r"(?:api|access|auth|client|secret|private|encryption|signing|account|bearer|app|master)[_ -]?(?:key|token|secret)|secret|token|credentials?"
_SEPARATOR = r"\\?[\"']?\s*(?::=|=>|[:=])\s*\\?[\"'`]?"

RULES = (
    _key("aws_key_id", "(?:AKIA|ASIA|ABIA|ACCA)", "[A-Z0-9]{16}\\b"),
    DetectionRule(
        "secret.aws_secret_key",
        Category.SECRET,
        rf"secret[_ -]?(?:access[_ -]?)?key{_SEPARATOR}([A-Za-z0-9/+]{{40}})\b",
        trigger=r"secret[_ -]?(?:access[_ -]?)?key",
        group=1,
        check=real,
        confidence=0.9,
    ),
    _key("google_api_key", "AIza", r"[0-9A-Za-z_-]{35}"),
    _key("google_oauth", r"(?:GOCSPX-|ya29\.)", r"[0-9A-Za-z_-]{20,}"),
    DetectionRule(
        "secret.azure_account_key",
        Category.SECRET,
        r"(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,}={0,2})",
        trigger=r"(?:AccountKey|SharedAccessKey)=",
        group=1,
        check=real,
        confidence=0.95,
    ),
    DetectionRule(
        "secret.azure_client_secret",
        Category.SECRET,
        r"[A-Za-z0-9_~.-]{0,3}[0-9]Q~[A-Za-z0-9_~.-]{30,}",
        trigger=r"[0-9]Q~[A-Za-z0-9_~.-]",
        cased=True,
        confidence=0.9,
    ),
    DetectionRule(
        "secret.azure_sas",
        Category.SECRET,
        r"[?&]sig=([A-Za-z0-9%+/]{40,}(?:=|%3D)?)",
        trigger=r"[?&]sig=",
        group=1,
        confidence=0.85,
    ),
    _key("github", "(?:gh[pousr]_|github_pat_)", "[0-9A-Za-z_]{30,}"),
    _key("gitlab", "gl(?:pat|dt|ptt|rt|cbt|soat|ft)-", "[0-9A-Za-z_-]{20,}"),
    _key("slack", "xox[abeoprs]-", "[0-9A-Za-z-]{20,}"),
    _key("slack_app", "xapp-", "[0-9]-[0-9A-Za-z-]{20,}"),
    _key("slack_webhook", r"hooks\.slack\.com/services/", "T[0-9A-Z]+/B[0-9A-Z]+/[0-9A-Za-z]{20,}"),
    _key("stripe", "(?:[rs]k_(?:live|test)_|whsec_)", "[0-9A-Za-z]{20,}"),
    _key("openai", "sk-", "(?:[a-z]+-)?[0-9A-Za-z_-]{20,}", random_looking),
    _key("anthropic", "sk-ant-", "[0-9A-Za-z_-]{20,}"),
    _key("npm", "npm_", "[0-9A-Za-z]{30,}"),
    _key("pypi", "pypi-AgEI", "[0-9A-Za-z_-]{30,}"),
    _key("sendgrid", r"SG\.", r"[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}"),
    _key("hugging_face", "hf_", "[0-9A-Za-z]{30,}"),
    _key("digitalocean", "do[opr]_v1_", "[0-9a-f]{40,}"),
    _key("shopify", "shp(?:at|ca|pa|ss)_", "[0-9A-Fa-f]{32}"),
    _key("vault", r"hv[sb]\.", "[0-9A-Za-z_-]{24,}", random_looking),
    _key("age", "AGE-SECRET-KEY-1", "[0-9A-Z]{50,}"),
    _key("telegram", "[0-9]{8,10}:AA", "[0-9A-Za-z_-]{33}"),
    _key("cloudflare", "(?:cfut|cfat|cfk)_", "[0-9A-Za-z_-]{32,}"),
    _key("linear", "lin_(?:api|oauth)_", "[0-9A-Za-z]{32,}"),
    _key("notion", "(?:ntn_|secret_)", "[0-9A-Za-z]{43,46}\\b", random_looking),
    _key("docker", "dckr_(?:pat|oat)_", "[0-9A-Za-z_-]{20,}"),
    _key("discord", r"[MNO][0-9A-Za-z_-]{23,27}\.", r"[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27,40}\b", random_looking),
    _key("groq", "gsk_", "[0-9A-Za-z]{40,}"),
    _key("tailscale", "tskey-(?:auth|api|client|scim)-", "[0-9A-Za-z]+-[0-9A-Za-z]{20,}"),
    _key("databricks", "dapi", "[0-9a-f]{32}\\b"),
    _key("grafana", "gl(?:c|sa)_", "[0-9A-Za-z+/_]{32,}"),
    DetectionRule(
        # The hash of a password as systems keep it (crypt(5)): it can be guessed at elsewhere.
        "secret.password_hash",
        Category.SECRET,
        r"\$(?:6\$(?:rounds=[0-9]+\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}|y\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{1,86}\$[./0-9A-Za-z]{43})",
        trigger=r"\$(?:6|y)\$[./0-9A-Za-z=]",
        cased=True,
        confidence=0.85,
    ),
    DetectionRule(
        "secret.putty_key",
        Category.SECRET,
        r"PuTTY-User-Key-File-[23]:[^\x00]{1,400}?Private-Lines:\s*[0-9]+\s+[0-9A-Za-z+/=\s]{40,}",
        trigger=r"PuTTY-User-Key-File-[23]:",
        cased=True,
        confidence=0.95,
    ),
    DetectionRule(
        "secret.jwt",
        Category.SECRET,
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}",
        trigger=r"\beyJ",
        cased=True,
        check=_jwt,
        confidence=0.9,
    ),
    DetectionRule(
        "secret.private_key",
        Category.SECRET,
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-[^-])*(?:-----END [A-Z0-9 ]*-----)?",
        trigger=r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY",
        cased=True,
        check=_private_key,
        cut=_ended,
        confidence=0.98,
    ),
    DetectionRule(
        "secret.url_password",
        Category.SECRET,
        r"\b[a-z][a-z0-9+.-]*://[^\s:/@\"'<>]*:([^\s/@\"'<>]{3,})@[\w.\[-]",
        trigger=r"://[^\s:/@\"'<>]*:[^\s/@\"'<>]+@",
        group=1,
        check=_in_url,
        confidence=0.85,
    ),
    DetectionRule(
        "secret.bearer",
        Category.SECRET,
        r"\bbearer\s+([A-Za-z0-9._~+/-]{20,}=*)",
        trigger=r"\bbearer\s+[A-Za-z0-9]",
        group=1,
        check=_in_use,
        confidence=0.8,
    ),
    DetectionRule(
        "secret.basic",
        Category.SECRET,
        r"authorization[\"']?\s*[:=]\s*[\"']?basic\s+([A-Za-z0-9+/]{8,}={0,2})",
        trigger=r"authorization[\"']?\s*[:=]\s*[\"']?basic\s",
        group=1,
        check=_basic,
        confidence=0.85,
    ),
    DetectionRule(
        "secret.named_value",
        Category.SECRET,
        rf"(?:{_NAME}){_SEPARATOR}([A-Za-z0-9+/=_~.!@#$%^&*-]{{16,}})",
        trigger=rf"(?:key|token|secret|credentials?){_SEPARATOR}[A-Za-z0-9+/_~-]",
        group=1,
        check=_in_use,
        confidence=0.6,
    ),
    DetectionRule(
        "secret.password",
        Category.SECRET,
        rf"(?:password|passwd|passphrase|passwort|kennwort|contraseña|mot de passe|\bpwd){_SEPARATOR}([^\s\"'`,;]{{8,64}})",
        trigger=rf"(?:password|passwd|passphrase|passwort|kennwort|contraseña|mot de passe|\bpwd){_SEPARATOR}[^\s\"'`,;]",
        group=1,
        check=password,
        confidence=0.6,
    ),
    DetectionRule(
        "secret.password_in_prose",
        Category.SECRET,
        r"\b(?:password|passphrase|passwort|kennwort|contraseña)\s+(?:is|was|lautet|ist|es)\s*:?\s+[\"'`]?([^\s\"'`,;]{8,64})",
        trigger=r"\b(?:password|passphrase|passwort|kennwort|contraseña)\s+(?:is|was|lautet|ist|es)\b",
        group=1,
        check=password,
        confidence=0.6,
    ),
)
