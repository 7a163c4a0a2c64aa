"""One perimeter beside whatever else this program deploys; docs/howto/package.md says what has to be there first."""

from pathlib import Path

import pulumi

config = pulumi.Config()


class ServerPerimeter(pulumi.ComponentResource):
    """What `pulumi package add ../../package` generates, by hand: the package needs no SDK to be used."""

    urls: pulumi.Output[list[str]]
    hostBundle: pulumi.Output[str]

    def __init__(self, name: str, project: str, environment: str, server: str) -> None:
        inputs = {"project": project, "environment": environment, "server": server}
        outputs = {"urls": None, "hostBundle": None}
        super().__init__("ringwall:index:ServerPerimeter", name, inputs | outputs, remote=True)


perimeter = ServerPerimeter(
    "tickets",
    project=config.get("folder") or str(Path(__file__).resolve().parents[2]),
    environment=config.get("environment") or "dev",
    server=config.get("server") or "tickets",
)
pulumi.export("urls", perimeter.urls)
pulumi.export("host_bundle", perimeter.hostBundle)
