"""Checks of the gateway: Kong answers, is the one that the stack file names, and can enforce the plan."""

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
from model.text import counted, visible
from operations.doctor.checks import Check, ok, skipped
from operations.doctor.http import fetch
from operations.keys.sync import remedy, stranger_lines, sync_keys
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
class GatewayPlan:
    """The plan of a gateway. `plugins` maps each Kong plugin to the stacks that use it."""

    settings: Environment
    plugins: Mapping[str, tuple[str, ...]]
    environment: str
    secret_in_stack: bool = False
    #: The project's environments; at a shared gateway their consumers are in the same groups.
    environments: tuple[str, ...] = ()


def check(plan: GatewayPlan, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Request the Admin API once and run every check on its answer. The token is sent to `admin_uri` only."""
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


def judge(plan: GatewayPlan, node: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Check]:
    """Run the checks of a node. `node` is the answer to GET /, `settings` the sanitised kong.conf in it."""
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


def _start(plan: GatewayPlan) -> str:
    return f"start Kong {plan.settings.gateway.version}, or correct gateway.admin_uri"


def _version(plan: GatewayPlan, version: str, subject: str) -> Check:
    expected, shown = plan.settings.gateway.version, visible(version)[:40]
    if version.split(".")[:2] != expected.split(".")[:2]:
        text = f"Kong is {shown}, the stack file says {expected}: their plugins differ"
        return Check("gateway.version", "error", text, "correct gateway.version, or install that Kong", subject)
    if version != expected:
        text = f"Kong is {shown}, the stack file says {expected}"
        return Check("gateway.version", "warning", text, "correct gateway.version, or install that Kong", subject)
    return ok("gateway.version", f"Kong {shown}", subject)


def _edition(plan: GatewayPlan, node: Mapping[str, Any], subject: str) -> Check:
    """Kong reports `edition` since 3.0; an Enterprise build also has four numbers, or the word, in its version."""
    version, edition = str(node["version"]), node.get("edition")
    licensed = edition == "enterprise" or "enterprise" in version or version.count(".") == 3
    expected = plan.settings.gateway.edition
    if (expected == "oss") == licensed:
        text = f"this is {'an Enterprise' if licensed else 'an OSS'} build, the stack file says edition {expected}"
        status = "warning" if expected == "oss" else "error"
        return Check("gateway.edition", status, text, "correct gateway.edition, or install that build", subject)  # type: ignore[arg-type]
    return ok("gateway.edition", expected, subject)


def _plugins(plan: GatewayPlan, node: Mapping[str, Any], subject: str) -> Check:
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


def _sandbox(plan: GatewayPlan, settings: Mapping[str, Any], subject: str) -> Check:
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
        return Check(id_, "warning", text, "list cjson.safe alone there", subject)
    return ok(id_, f"cjson.safe may be required{_other_nodes(plan)}", subject)


def _other_nodes(plan: GatewayPlan) -> str:
    """A reminder for topologies in which the node that answered is not the one that serves requests."""
    return (
        "" if plan.settings.topology == "colocated" else "; each data plane's own kong.conf must have this setting too"
    )


def _access_log(plan: GatewayPlan, settings: Mapping[str, Any], subject: str) -> Check:
    """Check that nginx's access log holds no query strings.

    Without `proxy_access_log` Kong writes logs/access.log in nginx's default format. A value with a path and the name of a
    format is taken as a deliberate choice.
    """
    id_ = "gateway.access-log"
    if not settings:
        return skipped(id_, "Kong does not show its settings to this token", subject)
    value = str(settings.get("proxy_access_log", "logs/access.log"))
    if value != "off" and len(value.split()) < 2:
        text = "nginx's access log writes query strings: a token in a URL would stay in a file"
        remedy = "set proxy_access_log = off in kong.conf, or name a log format without the query"
        return Check(id_, "warning", text, remedy, subject)
    return ok(id_, f"nginx writes no query strings{_other_nodes(plan)}", subject)


def _listen(plan: GatewayPlan, settings: Mapping[str, Any], subject: str) -> Iterator[Check]:
    """Check where the Admin API listens: whoever reaches it can rewrite the gateway."""
    id_ = "gateway.listen"
    listen = settings.get("admin_listen")
    entries = [str(item) for item in listen] if isinstance(listen, list) else str(listen).split(",") if listen else []
    if not entries:
        yield skipped(id_, "Kong does not show admin_listen to this token", subject)
        return
    listeners = [entry.strip() for entry in entries if entry.strip() != "off"]
    beyond = [listener for listener in listeners if not is_loopback(_host(listener.split(" ")[0]))]
    cleartext = [entry for entry in beyond if "ssl" not in entry.split()]
    shown = visible(", ".join(entry.split(" ")[0] for entry in beyond))[:100]
    if not beyond:
        yield ok(id_, "the Admin API listens on loopback only", subject)
    elif plan.settings.topology == "colocated" or cleartext:
        reach = "beyond loopback" if plan.settings.topology == "colocated" else "beyond loopback without TLS"
        text = f"the Admin API listens {reach}, on {shown}: who reaches it rewrites the gateway"
        remedy = "set admin_listen = 127.0.0.1:8001" + (" (or add ssl and RBAC)" if cleartext else "") + " in kong.conf"
        yield Check(id_, "error", text, remedy, subject)
    else:
        text = f"the Admin API listens on {shown}, with TLS"
        yield Check(id_, "warning", text, "let only the machine that runs `ringwall up` reach it", subject)


def _role(plan: GatewayPlan, settings: Mapping[str, Any], subject: str) -> Iterator[Check]:
    if settings.get("database") == "off":
        text = "this Kong runs without a database: its Admin API takes no changes"
        yield Check("gateway.role", "error", text, "set database = postgres in kong.conf", subject)
    elif plan.settings.topology == "hybrid" and settings and settings.get("role") != "control_plane":
        text = f"topology hybrid needs a control plane, this is {visible(str(settings.get('role')))[:30]}"
        yield Check("gateway.role", "error", text, "set role = control_plane and cluster_mtls = pki", subject)
    elif plan.settings.topology == "hybrid":
        cluster = plan.settings.gateway.cluster
        expected = cluster.mtls if cluster else "pki"
        # pki_check_cn is pki, with one check more at the control plane (kong.conf.default).
        if str(settings.get("cluster_mtls")).removesuffix("_check_cn") != expected:
            text = f"cluster_mtls is not {expected}"
            text += ": one shared certificate for all nodes" if expected == "pki" else ", as gateway.cluster has it"
            yield Check("gateway.role", "error", text, f"set cluster_mtls = {expected} in kong.conf", subject)


def _words(value: object) -> set[str]:
    items = value if isinstance(value, list) else str(value or "").split(",")
    return {str(item).strip() for item in items if str(item).strip()}


def _host(address: str) -> str:
    """The host of an address of `admin_listen`, which may end with a port."""
    return re.sub(r":[0-9]+$", "", address).strip("[]")


def _keys(plan: GatewayPlan) -> Iterator[Check]:
    """Compare the issuers' keys at Kong with the published ones by a dry run of `keys sync`, and report strangers."""
    id_, sync = "gateway.keys", f"ringwall keys sync {plan.environment}"
    report = sync_keys(plan.settings, plan.environment, dry_run=True, environments=plan.environments)
    if report.reader is not None:
        yield ok(id_, f"{report.reader} reads each issuer's keys by itself", plan.environment)
    for issuer in report.issuers:
        subject = f"{plan.environment} {issuer.issuer}"
        for line in stranger_lines(issuer):
            yield Check(id_, "error", line, f"run `{remedy(plan.environment)}` unless you know it", subject)
        if issuer.error:
            yield Check(id_, "error", issuer.error, f"correct it, then run `{sync}`", subject)
            continue
        problems = issuer.trusts_strangers
        if issuer.added or issuer.replaced:
            problems = True
            count = len(issuer.added) + len(issuer.replaced)
            text = f"{counted(count, 'key')} of the issuer missing at Kong: tokens signed with it are refused"
            yield Check(id_, "error", text, f"run `{sync}`, and keep it on a timer", subject)
        if issuer.removed:
            problems = True
            text = f"Kong still trusts {counted(len(issuer.removed), 'key')} that the issuer no longer publishes"
            yield Check(id_, "warning", text, f"run `{sync}`", subject)
        youngest = min(issuer.unchanged.values(), default=0)
        if issuer.issuer == "access" and not issuer.added and youngest > OLD_KEY_DAYS:
            problems = True
            text = f"the youngest key is {counted(youngest, 'day')} old, and Access changes its key every six weeks"
            yield Check(id_, "warning", text, f"see whether the timer of `{sync}` runs", subject)
        if not problems:
            yield ok(id_, f"{counted(len(issuer.unchanged), 'key')}, as published", subject)
