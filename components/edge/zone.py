"""The component of a zone's custom firewall rules: it blocks by country before Access, service tokens and OAuth included."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_cloudflare as cloudflare  # noqa: TID253

from components.edge.zone_rules import ruleset_rules
from model.zone import Zone


@dataclass(frozen=True)
class ZoneFirewallArgs:
    zone: str
    manifest: Zone


class ZoneFirewall(pulumi.ComponentResource):
    """The one entry point of phase `http_request_firewall_custom`.

    Deleting it would delete every custom rule of the zone, not only Ringwall's: it is protected, and retained when the
    stack is destroyed. With `existing_ruleset` it is imported. The engine imports and then changes what differs, so
    `ringwall up` refuses an import whose rules differ from the file's (`plan.step_order`): nothing of the zone's is lost by
    a missing `keep`. The first `up` has the zone's rules under `keep` and no `rules`, the next one adds them. Plain
    `pulumi up` does not refuse; its preview shows the difference.

    Outputs:
        ruleset_id.
    """

    def __init__(self, name: str, args: ZoneFirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        manifest = args.manifest
        super().__init__(
            "ringwall:index:ZoneFirewall",
            name,
            {"zone": manifest.cloudflare.zone, "rules": [rule.dump() for rule in manifest.rules]},
            opts,
        )
        existing = manifest.existing_ruleset
        self.ruleset = cloudflare.Ruleset(
            f"{name}-custom-rules",
            zone_id=manifest.cloudflare.zone_id,
            name=manifest.ruleset_name,
            kind="zone",
            phase="http_request_firewall_custom",
            rules=ruleset_rules(manifest),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=True,
                retain_on_delete=True,
                import_=f"zones/{manifest.cloudflare.zone_id}/{existing}" if existing else None,
            ),
        )
        self.ruleset_id: pulumi.Output[str] = self.ruleset.id
        self.register_outputs({"ruleset_id": self.ruleset_id})
