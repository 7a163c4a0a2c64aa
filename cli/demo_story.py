"""The steps of the demo, and that each did what it says."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli import console
from cli.demo_attempts import PERSON, outcomes
from cli.demo_audit import verify_log
from cli.demo_deploy import ENVIRONMENT, deploy_all, destroy_all, enforced, init_arguments
from cli.demo_grants import show_grants
from cli.demo_guard import exported, free_guard_port, signed_guard
from cli.demo_model import ROUTE, add_route, ask_models
from cli.demo_outcome import AttemptResult
from cli.demo_page import write_page
from cli.demo_scan import DemoFinding, scan_server
from cli.demo_servers import DeskServer, desk_server, everything_server
from cli.demo_stage import Stage
from cli.demo_tell import ring_rows, tell_finding, tell_outcome, tell_rings
from model.errors import RingwallError
from operations.sockets import exposure
from sandbox.sign_in import SignIn

_STACK = f"{ENVIRONMENT}.tickets"


class Story:
    """The story of one run. `folder` holds the project and what the guard keeps; `page` is the HTML page to write."""

    def __init__(self, stage: Stage, folder: Path, page: Path) -> None:
        self._stage, self._folder, self._page = stage, folder, page
        self._project = folder / "project"
        self._servers = ["tickets"]

    def tell(self, *, everything: bool) -> dict[str, Any]:
        """Tell all of it; returns it as data."""
        stage = self._stage
        console.say("Ringwall's demo: four rings around one MCP server, on this machine.")
        console.say(f"All that the commands say is in {stage.log}")
        with contextlib.ExitStack() as running:
            desk = running.enter_context(desk_server())
            finding = self._find(desk)
            self._onboard(desk)
            if everything:
                self._onboard_everything(running)
            add_route(stage, self._project)
            stacks = [*self._servers, ROUTE]
            changed = deploy_all(stage, self._project, stacks)
            rows = enforced(self._project, stacks)
            sign_in = running.enter_context(SignIn("https://example.cloudflareaccess.com", self._folder))
            calls = self._call(desk, sign_in)
            requests = ask_models(stage, self._folder / ROUTE, sign_in)
            audit = verify_log(stage, self._folder)
            remaining = destroy_all(stage, self._project, stacks)
        table = ring_rows(finding, [*calls, *requests], rows)
        tell_rings(table)
        write_page(self._page, table, rows)
        console.say(f"\nThe rings as a page: {self._page}")
        console.say(f"The story as data:   {self._page.with_name('demo.json')}")
        console.say("Nothing real was touched: Cloudflare, Kong and the provider were stand-ins.")
        return {
            "version": 1,
            "servers": self._servers,
            "model_routes": [ROUTE],
            "steps": [vars(step) for step in stage.steps],
            "calls": [outcome.document() for outcome in calls],
            "model_calls": [outcome.document() for outcome in requests],
            "audit": audit,
            "rings": [dict(zip(("ring", "tried", "answer"), row, strict=True)) for row in table],
            "seconds": stage.seconds(),
            "second_up_changes": changed,
            "left_after_destroy": remaining,
            "enforced": [dict(zip(("server", "ring", "protection", "how"), row, strict=True)) for row in rows],
            "log": str(stage.log),
            "page": str(self._page),
        }

    def _find(self, desk: DeskServer) -> DemoFinding:
        step = self._stage.step("A server that runs commands for anybody")
        finding = scan_server(self._stage, desk.url, self._folder)
        tell_finding(self._stage, finding)
        step.result = finding.document()
        return finding

    def _onboard(self, desk: DeskServer) -> None:
        stage = self._stage
        step = stage.step("Onboarded: bound to 127.0.0.1, every tool pinned, reading tools granted")
        stage.ringwall(*init_arguments(self._project))
        arguments = ("onboard", "tickets", "--env", ENVIRONMENT, "--url", desk.url, "--people", PERSON, "--agent", "ci")
        stage.show_command(*arguments)
        stage.ringwall(*arguments, "--guard-port", str(free_guard_port()), "--yes")
        step.result = show_grants(stage, self._project)
        self._require_loopback(desk)

    def _require_loopback(self, desk: DeskServer) -> None:
        socket = exposure(urlsplit(desk.url).port or 0)
        if socket.state == "exposed":
            raise RingwallError(f"the demo's server is {socket}")

    def _onboard_everything(self, running: contextlib.ExitStack) -> None:
        url = running.enter_context(everything_server())
        if url is not None:
            self._stage.say(f"A second server, npm's server-everything, is onboarded beside it: {url}")
            arguments = ("onboard", "everything", "--env", ENVIRONMENT, "--url", url, "--people", PERSON)
            self._stage.ringwall(*arguments, "--yes")
            self._servers.append("everything")

    def _call(self, desk: DeskServer, sign_in: SignIn) -> list[AttemptResult]:
        stage = self._stage
        step = stage.step("Called: the official SDK's client, through the running guard")
        results: list[AttemptResult] = []
        with signed_guard(stage, _STACK, exported(stage, _STACK), self._folder, sign_in) as guard:
            stage.say(f"`ringwall guard run` on the signed configuration as deployed; {PERSON} is signed in")
            for outcome in outcomes(guard, sign_in, desk):
                tell_outcome(stage, outcome)
                results.append(outcome)
        step.result = {"calls": len(results), "refused": sum(outcome.refused for outcome in results)}
        return results
