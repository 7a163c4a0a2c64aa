"""Ringwall's rules as a Pulumi policy pack: judges the engine's real preview by the very rules of `ringwall check`.

    pulumi preview --policy-pack /path/to/ringwall/policy_pack/ringwall-policy

The engine starts an executable pack directly (pulumi/pkg 3.256, `resource/plugin/analyzer_plugin.go`) and speaks its
analyzer protocol. That protocol is served here with the messages of the Pulumi SDK that Ringwall has already, not with
pulumi-policy: it needs protobuf 5 (an environment of its own), hands secrets to rules in clear, and raises on unknown
values. So the pack shares waivers, own rules and files with `check`, and no secret is decoded.

Default deny: a stack whose files cannot be read is a mandatory violation.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # This folder goes first on the import path; the packages it needs are beside it.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

from guard.inspect.definitions import findings_of
from model.errors import RingwallError
from model.project import find_project, load
from plan.findings import Finding, Severity
from plan.rules.catalog import BUILT_IN
from plan.rules.custom import rules_of
from plan.rules.evaluate import evaluate, subject_of
from plan.values import Json, from_struct
from policy_pack.preview_graph import to_graph

NAME = "ringwall"
VERSION = "1.0.0"
UNREADABLE = "stack-unreadable"
_SEVERITY = {
    Severity.ERROR: analyzer_pb2.POLICY_SEVERITY_HIGH,
    Severity.WARNING: analyzer_pb2.POLICY_SEVERITY_MEDIUM,
    Severity.INFO: analyzer_pb2.POLICY_SEVERITY_LOW,
}


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """One run's pack. The engine may call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inputs: dict[str, dict[str, Json]] = {}
        self._stack = ""
        self._project = ""

    def Handshake(self, request: Any, context: Any) -> Any:
        return analyzer_pb2.AnalyzerHandshakeResponse()

    def ConfigureStack(self, request: Any, context: Any) -> Any:
        self._stack, self._project = request.stack, request.project
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def Configure(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetAnalyzerInfo(self, request: Any, context: Any) -> Any:
        policies = [
            analyzer_pb2.PolicyInfo(
                name=rule.id,
                displayName=rule.id,
                description=rule.reason,
                message=rule.remedy,
                enforcementLevel=_level(rule.severity),
                policy_type=analyzer_pb2.POLICY_TYPE_STACK,
                severity=_SEVERITY[rule.severity],
            )
            for rule in BUILT_IN
        ]
        return analyzer_pb2.AnalyzerInfo(name=NAME, displayName="Ringwall", version=VERSION, policies=policies)

    def Analyze(self, request: Any, context: Any) -> Any:
        with self._lock:
            self._inputs[request.urn] = from_struct(request.properties)
        return analyzer_pb2.AnalyzeResponse()

    def Remediate(self, request: Any, context: Any) -> Any:
        return analyzer_pb2.RemediateResponse()

    def AnalyzeStack(self, request: Any, context: Any) -> Any:
        try:
            findings = self._judge(request.resources)
        except RingwallError as error:
            text = " ".join(str(error).split())
            findings = [Finding(UNREADABLE, Severity.ERROR, "", text, "correct the files, then try again")]
        return analyzer_pb2.AnalyzeResponse(diagnostics=[_diagnostic(finding) for finding in findings])

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def _judge(self, resources: Any) -> list[Finding]:
        project = find_project(Path(os.environ.get("RINGWALL_PROJECT") or Path.cwd()))
        if project.name != self._project:
            raise RingwallError(
                f"the engine runs {self._project}, and {project.root} is {project.name}; set RINGWALL_PROJECT"
            )
        loaded = load(project, self._stack)
        with self._lock:
            graph = to_graph(self._project, self._stack, resources, self._inputs)
        subject = subject_of(loaded, graph, engine=True, findings=findings_of(loaded))
        return list(evaluate(subject, rules=rules_of(project), root=project.root))


def _level(severity: Severity) -> Any:
    return analyzer_pb2.MANDATORY if severity is Severity.ERROR else analyzer_pb2.ADVISORY


def _diagnostic(finding: Finding) -> Any:
    place = f" ({finding.file}:{finding.line})" if finding.file and finding.line else ""
    waived = f" [waived until {finding.waived_until}: {finding.waived}]" if finding.waived else ""
    return analyzer_pb2.AnalyzeDiagnostic(
        policyName=finding.rule_id,
        policyPackName=NAME,
        policyPackVersion=VERSION,
        description=finding.remedy,
        message=f"{finding.message}; {finding.remedy}{place}{waived}",
        enforcementLevel=analyzer_pb2.MANDATORY if finding.refuses else analyzer_pb2.ADVISORY,
        urn=finding.urn,
        severity=_SEVERITY[finding.severity],
    )


def main() -> None:
    """Serve until the engine ends this process: print the port, answer `Analyzer`."""
    options = [("grpc.max_receive_message_length", 400 * 1024 * 1024), ("grpc.max_send_message_length", -1)]
    # The engine interrupts its plugins when a run is over.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=options)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Analyzer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    server.wait_for_termination()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        threading.Event().wait(1.0)
    os._exit(0)


if __name__ == "__main__":
    main()
