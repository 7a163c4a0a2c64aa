"""The gateway's side of the doctor: is it there, is it what the stack file says, and can it enforce what is planned."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from model.environment import Environment
from model.errors import Unreachable
from model.loopback import is_loopback
from model.text import visible
from operations.doctor.checks import Check, ok, skipped
from operations.doctor.http import fetch
from operations.keys.sync import not_ours, remedy, sync_keys
from wire.kong import TOKEN_VARIABLE

IDS = (
    "gateway.admin",
    "gateway.version",
    "gateway.edition",
    "gateway.plugins",
    "gateway.sandbox",
    "gateway.listen",
    "gateway.access-log",
    "gateway.keys",
)
#: Cloudflare Access changes its key every six weeks (Cloudflare One docs, "Validate JWTs").
OLD_KEY_DAYS = 49


@dataclass(frozen=True)
class Plan:
    """`plugins`: each Kong plugin of the plan with the stacks that use it."""

    settings: Environment
    plugins: Mapping[str, tuple[str, ...]]
    environment: str
    secret_in_stack: bool = False
    #: The project's environments: at one gateway their consumers are in the same groups.
    environments: tuple[str, ...] = ()


def check(plan: Plan, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """One question to the Admin API, judged from every side. The token goes to `admin_uri` and nowhere else."""
    gateway, subject = plan.settings.gateway, plan.environment
    token = environ.get(TOKEN_VARIABLE)
    prefix = f"/{quote(gateway.workspace, safe='')}" if gateway.workspace else ""
    try:
        answer = fetch(
            f"{gateway.admin_uri.rstrip('/')}{prefix}/", {"kong-admin-token": token} if token is not None else {}
        )
    except Unreachable as error:
        yield Check("gateway.admin", "error", f"Kong's Admin API: {error}", _start(plan), subject)
        yield from _unknown(subject, IDS[1:])
        return
    node = answer.object()
    if answer.status in (401, 403):
        text = f"Kong's Admin API refused {'the token' if token else 'a call without a token'} ({answer.status})"
        if plan.secret_in_stack and not token:
            text += "; the stack's encrypted kong:kongAdminToken is not opened here"
        yield Check("gateway.admin", "error", text, f"set {TOKEN_VARIABLE}", subject)
        yield from _unknown(subject, IDS[1:])
        return
    if answer.status != 200 or node is None or not isinstance(node.get("version"), str):
        text = f"{gateway.admin_uri} does not answer as Kong's Admin API does ({answer.status})"
        yield Check("gateway.admin", "error", text, "correct gateway.admin_uri", subject)
        yield from _unknown(subject, IDS[1:])
        return
    yield ok("gateway.admin", f"{gateway.admin_uri} answers", subject)
    configuration = node.get("configuration")
    settings: dict[str, Any] = configuration if isinstance(configuration, dict) else {}
    yield from judge(plan, node, settings)
    yield from _keys(plan)


def judge(plan: Plan, node: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Check]:
    """`node` is the answer to GET /, `settings` its sanitised kong.conf."""
    subject = plan.environment
    yield _version(plan, str(node["version"]), subject)
    yield _edition(plan, node, subject)
    yield _plugins(plan, node, subject)
    yield _sandbox(plan, settings, subject)
    yield from _listen(plan, settings, subject)
    yield _access_log(plan, settings, subject)
    yield from _role(plan, settings, subject)


def _unknown(subject: str, ids: tuple[str, ...]) -> Iterator[Check]:
    for id_ in ids:
        yield skipped(id_, "needs Kong's Admin API", subject)


def _start(plan: Plan) -> str:
    return f"start Kong {plan.settings.gateway.version}, or correct gateway.admin_uri"


def _version(plan: Plan, found: str, subject: str) -> Check:
    wanted, shown = plan.settings.gateway.version, visible(found)[:40]
    if found.split(".")[:2] != wanted.split(".")[:2]:
        text = f"Kong is {shown}, the stack file says {wanted}: their plugins differ"
        return Check("gateway.version", "error", text, "correct gateway.version, or install that Kong", subject)
    if found != wanted:
        text = f"Kong is {shown}, the stack file says {wanted}"
        return Check("gateway.version", "warning", text, "bring the two together", subject)
    return ok("gateway.version", f"Kong {shown}", subject)


def _edition(plan: Plan, node: Mapping[str, Any], subject: str) -> Check:
    """Kong says `edition` since 3.0; Enterprise builds carry four numbers or the word in their version too."""
    version, said = str(node["version"]), node.get("edition")
    licensed = said == "enterprise" or "enterprise" in version or version.count(".") == 3
    wanted = plan.settings.gateway.edition
    if (wanted == "oss") == licensed:
        text = f"this is {'an Enterprise' if licensed else 'an OSS'} build, the stack file says edition {wanted}"
        status = "warning" if wanted == "oss" else "error"
        return Check("gateway.edition", status, text, "correct gateway.edition, or install that build", subject)  # type: ignore[arg-type]
    return ok("gateway.edition", wanted, subject)


def _plugins(plan: Plan, node: Mapping[str, Any], subject: str) -> Check:
    plugins = node.get("plugins")
    available = plugins.get("available_on_server") if isinstance(plugins, dict) else None
    if not isinstance(available, dict):
        text = "Kong does not say which plugins it has"
        return Check("gateway.plugins", "error", text, "give the token the right to read /", subject)
    missing = {name: users for name, users in sorted(plan.plugins.items()) if not available.get(name)}
    if missing:
        shown = "; ".join(
            f"{name} ({', '.join(users[:3])}{' ...' if len(users) > 3 else ''})" for name, users in missing.items()
        )
        text = f"not enabled at Kong, and the plan needs it: {shown}"
        return Check("gateway.plugins", "error", text, "add them to plugins in kong.conf (plugins = bundled)", subject)
    return ok("gateway.plugins", f"all {len(plan.plugins)} that the plan needs are enabled", subject)


def _sandbox(plan: Plan, settings: Mapping[str, Any], subject: str) -> Check:
    id_ = "gateway.sandbox"
    if not settings:
        return skipped(id_, "Kong does not show its settings to this token", subject)
    if "pre-function" not in plan.plugins:
        return ok(id_, "the plan runs no Lua of its own", subject)
    mode = settings.get("untrusted_lua", "sandbox")
    allowed = _words(settings.get("untrusted_lua_sandbox_requires"))
    if mode == "off":
        text = "untrusted_lua is off: the identity chain cannot run and every request is refused"
        return Check(id_, "error", text, "set untrusted_lua = sandbox in kong.conf", subject)
    if mode == "on":
        text = "untrusted_lua is on: whoever writes a plugin's configuration runs any code at the gateway"
        return Check(id_, "error", text, "set untrusted_lua = sandbox in kong.conf", subject)
    if "cjson.safe" not in allowed:
        text = "untrusted_lua_sandbox_requires does not name cjson.safe: every request would be a 500"
        return Check(id_, "error", text, "set untrusted_lua_sandbox_requires = cjson.safe in kong.conf", subject)
    if extra := sorted(allowed - {"cjson.safe"}):
        text = f"untrusted_lua_sandbox_requires names more than is needed: {visible(', '.join(extra))[:100]}"
        return Check(id_, "warning", text, "leave cjson.safe alone there", subject)
    return ok(id_, f"cjson.safe may be required{_elsewhere(plan)}", subject)


def _elsewhere(plan: Plan) -> str:
    """Kong shows the settings of the node that answers, which is not the one that serves in other topologies."""
    return "" if plan.settings.topology == "colocated" else "; each data plane's own kong.conf must say it too"


def _access_log(plan: Plan, settings: Mapping[str, Any], subject: str) -> Check:
    """Without `proxy_access_log` Kong writes logs/access.log in nginx's default format. Whoever names a format of their
    own there (path and name) has chosen what is written."""
    id_ = "gateway.access-log"
    if not settings:
        return skipped(id_, "Kong does not show its settings to this token", subject)
    value = str(settings.get("proxy_access_log", "logs/access.log"))
    if value != "off" and len(value.split()) < 2:
        text = "nginx's access log writes query strings: a token in a URL would stay in a file"
        remedy = "set proxy_access_log = off in kong.conf, or name a log format without the query"
        return Check(id_, "warning", text, remedy, subject)
    return ok(id_, f"nginx writes no query strings{_elsewhere(plan)}", subject)


def _listen(plan: Plan, settings: Mapping[str, Any], subject: str) -> Iterator[Check]:
    """Who reaches the Admin API rewrites the gateway."""
    id_ = "gateway.listen"
    raw = settings.get("admin_listen")
    entries = [str(item) for item in raw] if isinstance(raw, list) else str(raw).split(",") if raw else []
    if not entries:
        yield skipped(id_, "Kong does not show admin_listen to this token", subject)
        return
    open_ones = [e.strip() for e in entries if e.strip() != "off" and not is_loopback(_host(e.strip().split(" ")[0]))]
    clear = [entry for entry in open_ones if "ssl" not in entry.split()]
    shown = visible(", ".join(entry.split(" ")[0] for entry in open_ones))[:100]
    if not open_ones:
        yield ok(id_, "the Admin API listens on loopback only", subject)
    elif plan.settings.topology == "colocated" or clear:
        what = "beyond loopback" if plan.settings.topology == "colocated" else "beyond loopback without TLS"
        text = f"the Admin API listens {what}, on {shown}: who reaches it rewrites the gateway"
        remedy = "set admin_listen = 127.0.0.1:8001" + (" (or add ssl and RBAC)" if clear else "") + " in kong.conf"
        yield Check(id_, "error", text, remedy, subject)
    else:
        text = f"the Admin API listens on {shown}, with TLS"
        yield Check(id_, "warning", text, "let only the machine that runs `ringwall up` reach it", subject)


def _role(plan: Plan, settings: Mapping[str, Any], subject: str) -> Iterator[Check]:
    if settings.get("database") == "off":
        text = "this Kong runs without a database: its Admin API takes no changes"
        yield Check("gateway.role", "error", text, "set database = postgres in kong.conf", subject)
    elif plan.settings.topology == "hybrid" and settings and settings.get("role") != "control_plane":
        text = f"topology hybrid needs a control plane, this is {visible(str(settings.get('role')))[:30]}"
        yield Check("gateway.role", "error", text, "set role = control_plane and cluster_mtls = pki", subject)
    elif plan.settings.topology == "hybrid" and settings.get("cluster_mtls") != "pki":
        text = "cluster_mtls is not pki: one shared certificate for all nodes"
        yield Check("gateway.role", "error", text, "set cluster_mtls = pki in kong.conf", subject)


def _words(value: object) -> set[str]:
    items = value if isinstance(value, list) else str(value or "").split(",")
    return {str(item).strip() for item in items if str(item).strip()}


def _host(address: str) -> str:
    """The host of an address of `admin_listen`, which may end with a port."""
    return re.sub(r":[0-9]+$", "", address).strip("[]")


def _keys(plan: Plan) -> Iterator[Check]:
    """The issuers' keys at Kong against what the issuers publish, by a dry run of `keys sync`; and who else is trusted."""
    id_, sync = "gateway.keys", f"ringwall keys sync {plan.environment}"
    report = sync_keys(plan.settings, plan.environment, dry_run=True, environments=plan.environments)
    for issuer in report.issuers:
        subject = f"{plan.environment} {issuer.issuer}"
        for line in not_ours(issuer):
            yield Check(id_, "error", line, f"run `{remedy(plan.environment)}` unless you know it", subject)
        if issuer.error:
            yield Check(id_, "error", issuer.error, f"correct it, then run `{sync}`", subject)
            continue
        problems = issuer.not_ours
        if issuer.added or issuer.replaced:
            problems = True
            count = len(issuer.added) + len(issuer.replaced)
            text = f"{count} of the issuer's keys are not at Kong: their tokens are refused"
            yield Check(id_, "error", text, f"run `{sync}`, and keep it on a timer", subject)
        if issuer.removed:
            problems = True
            text = f"{len(issuer.removed)} keys at Kong are not the issuer's any more and are trusted all the same"
            yield Check(id_, "warning", text, f"run `{sync}`", subject)
        youngest = min(issuer.kept.values(), default=0)
        if issuer.issuer == "access" and not issuer.added and youngest > OLD_KEY_DAYS:
            problems = True
            text = f"the youngest key is {youngest} days old, and Access changes its key every six weeks"
            yield Check(id_, "warning", text, f"see whether the timer of `{sync}` runs", subject)
        if not problems:
            yield ok(id_, f"{len(issuer.kept)} keys, as published", subject)
