"""Logs that Cloudflare pushes, for the projects of `tests.support.projects`."""

from __future__ import annotations

from pathlib import Path

#: In the environment's file.
LOGPUSH = """\
    logpush:
      access_requests: {}
      audit_logs_v2: {fields: [ActionType, ActorEmail]}
"""
_ENCRYPTED = "  {key}:\n    secure: v1:AAAAAAAAAAAAAAAA:bm8gc2VjcmV0IGF0IGFsbCwgYnV0IGl0IGxvb2tzIGxpa2Ugb25l\n"
KEYS = ("ringwall:logpushAccessRequests", "ringwall:logpushAuditLogsV2", "ringwall:logpushAuditLogsV2Challenge")


def add_logpush(root: Path, text: str = LOGPUSH, keys: tuple[str, ...] = KEYS) -> Path:
    """Have the project's environment push logs, with these keys encrypted; answers the environment's file."""
    file = root / "stacks" / "Pulumi.dev.yaml"
    before = file.read_text(encoding="utf-8")
    assert before.count("    logs:\n") == 1
    secrets = "".join(_ENCRYPTED.format(key=key) for key in keys)
    after = before.replace("    logs:\n", f"{text}    logs:\n").replace("config:\n", f"config:\n{secrets}", 1)
    file.write_text(after, encoding="utf-8")
    return file
