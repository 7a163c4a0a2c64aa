"""Judges a zone's bot settings, which stop MCP clients where no log of the origin shows it. Read only, never changed.

Hosted clients are hit hardest: the sign-in passes, as /.well-known and the login are exempt, and then every call is blocked
(anthropics/claude-ai-mcp#49, #430, #680, #1061). There are three places. Two of them are in this answer
(`/zones/{id}/bot_management`): "Block AI bots", and (Super) Bot Fight Mode; the third, AI Crawl Control, has no such API.
Values: the provider's schema of `getBotManagement`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.text import visible
from operations.doctor.checks import Check, ok, skipped

ID = "cloudflare.bots"
PERMISSION = "Bot Management Read (zone)"
_THIRD = "AI Crawl Control, the third place, cannot be read: `ringwall verify` tries it by each client's user agent"
#: Values under which a setting stops nobody at an MCP endpoint, which has no advertisements.
_HARMLESS = (None, False, "disabled", "allow", "off", "only_on_ad_pages")
#: Setting: its name in the dashboard, and whom it stops.
_PROGRAMS = "every client that is a program, agents and hosted ones first"
SETTINGS: Mapping[str, tuple[str, str]] = {
    "fight_mode": ("Bot Fight Mode", f"{_PROGRAMS}, and no WAF rule can skip it"),
    "sbfm_definitely_automated": ("Super Bot Fight Mode, definitely automated", _PROGRAMS),
    "sbfm_likely_automated": ("Super Bot Fight Mode, likely automated", _PROGRAMS),
    "sbfm_verified_bots": ("Super Bot Fight Mode, verified bots", "hosted clients that Cloudflare lists as bots"),
    "content_bots_protection": ("Block content bots", _PROGRAMS),
}
_AI_BOTS = "ai_bots_protection"
_READ = (*SETTINGS, _AI_BOTS)


def judge(status: int, settings: Mapping[str, Any] | None, hosted: Sequence[str], subject: str) -> Check:
    """Judge the answer to the request for a zone's bot settings.

    Args:
        hosted: clients of the stack files that call from their vendor's cloud.
    """
    if status != 200 or settings is None or not any(name in settings for name in _READ):
        text = f"unverifiable: the token may not read the zone's bot settings ({status})"
        if status == 200:
            text = "unverifiable: the answer holds no bot settings that Ringwall knows"
        return skipped(ID, f"{text}; {_THIRD}", subject, f"add {PERMISSION} to the token, or look at Security > Bots")
    # Settings of an earlier plan may still act (`stale_zone_configuration`).
    stale = settings.get("stale_zone_configuration")
    layers = [settings, *([stale] if isinstance(stale, dict) else [])]
    active = {name: layer[name] for layer in layers for name in SETTINGS if layer.get(name) not in _HARMLESS}
    warnings = [
        f"{SETTINGS[name][0]} ({_setting(name, value)}) stops {SETTINGS[name][1]}" for name, value in active.items()
    ]
    blocks_ai = settings.get(_AI_BOTS) not in _HARMLESS
    ai_setting = f"Block AI bots ({_setting(_AI_BOTS, settings.get(_AI_BOTS))})"
    if blocks_ai and hosted:
        warnings.append(
            f"{ai_setting} stops {', '.join(hosted)} after a sign-in that looks well, without a trace at the origin"
        )
    if warnings:
        remedy = "turn it off for this zone at Security > Bots, or give the servers a zone of their own"
        return Check(ID, "warning", f"{'; '.join(warnings)}; {_THIRD}", remedy, subject)
    text = "no bot setting that can be read stops your clients"
    if blocks_ai:
        text += f" ({ai_setting} would stop hosted ones, such as claude.ai, and the stack files have none)"
    return ok(ID, f"{text}; {_THIRD}", subject)


def _setting(name: str, value: object) -> str:
    return f"{name}: {visible(str(value).lower() if isinstance(value, bool) else str(value))[:40]}"
