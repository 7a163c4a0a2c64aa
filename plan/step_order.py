"""Judges the engine's own step order: updates, replacements and imports must not open a gap either.

The graph proves creates and destroys. A replacement can still take protection away before it is given back, when the
engine deletes first; the steps it announces in a preview say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plan.findings import Finding, Severity

PUBLIC_NAME = "cloudflare:index/dnsRecord:DnsRecord"
#: Taking one of these away while the name still resolves leaves it unprotected.
GUARDING = {
    "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication",
    "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig",
}


@dataclass(frozen=True)
class Step:
    """One step in the engine's order: operation (``create``, ``update``, ``delete``, ``create-replacement``,
    ``delete-replaced``, ``same``), URN and type token."""

    operation: str
    urn: str
    type: str


def judge_steps(steps: Sequence[Step]) -> tuple[Finding, ...]:
    """Findings for protection that goes before it is replaced while a public name stays, and for an import that is no mere
    taking over."""
    names_gone: set[int] = {
        index
        for index, step in enumerate(steps)
        if step.type == PUBLIC_NAME and step.operation in ("delete", "delete-replaced")
    }
    names = any(step.type == PUBLIC_NAME for step in steps)
    created: set[str] = set()
    findings = []
    imported: set[str] = set()
    for index, step in enumerate(steps):
        if step.operation == "import":
            imported.add(step.urn)
        elif step.urn in imported and step.operation != "same":
            # The engine (3.256, run) imports and then changes what differs, in one go.
            findings.append(
                Finding(
                    "import-changes",
                    Severity.ERROR,
                    step.urn,
                    f"{step.urn.rsplit('::', 1)[-1]} as it runs differs from the stack file, and the import would change it",
                    "make the file say what is running (the preview shows what differs), import, then change the file",
                )
            )
        if step.operation in ("create", "create-replacement"):
            created.add(step.urn)
        gone = step.operation == "delete" or (step.operation == "delete-replaced" and step.urn not in created)
        if names and step.type in GUARDING and gone and not any(before < index for before in names_gone):
            findings.append(
                Finding(
                    "step-order",
                    Severity.ERROR,
                    step.urn,
                    f"{step.urn.rsplit('::', 1)[-1]} is deleted while its public name still resolves",
                    "destroy the server first (`ringwall destroy`), then bring it up as it is now",
                )
            )
    return tuple(findings)
