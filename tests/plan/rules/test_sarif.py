"""What code hosts get is SARIF 2.1.0 by its own schema, with the line, the help and the exceptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from plan.findings import Finding, Severity
from plan.rules.catalog import BUILT_IN
from plan.rules.sarif import to_sarif

SCHEMA = json.loads((Path(__file__).parent / "sarif-2.1.0.json").read_text(encoding="utf-8"))
URN = "urn:pulumi:dev.one::ringwall::ringwall:index:Guard::one-guard"
FINDINGS = [
    ("dev.one", Finding("guard-write-for-all", Severity.ERROR, URN, "m <b>", "r", "stacks/ä b.yaml", 7)),
    ("dev.one", Finding("gateway-buffering", Severity.WARNING, "", "m", "r", "s.yaml", 1, "Old client", "2027-01-01")),
    ("dev", Finding("hosted-client", Severity.INFO, "", "m", "r")),
]


def log(**options: Any) -> dict[str, Any]:
    text = to_sarif(FINDINGS, BUILT_IN, version="1.2.3", **{"docs": None, **options})
    document: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(document)
    return document


def test_a_log_is_valid_by_the_schema_of_sarif_2_1_0() -> None:
    assert log()["version"] == "2.1.0"
    broken = log()
    broken["runs"][0]["results"][0]["level"] = "fatal"
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(broken))


def test_a_result_names_rule_level_file_and_line() -> None:
    (run,) = log(prefix="infra/")["runs"]
    result = run["results"][0]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "guard-write-for-all"
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note"]
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "infra/stacks/%C3%A4%20b.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7},
    }
    assert location["logicalLocations"] == [{"name": "one-guard", "fullyQualifiedName": URN, "kind": "resource"}]
    assert "physicalLocation" not in run["results"][2]["locations"][0]


def test_a_file_beside_the_projects_folder_is_named_from_the_repositorys_top() -> None:
    finding = Finding("hosted-client", Severity.INFO, "", "m", "r", "../stacks/s.yaml", 3)
    (result,) = json.loads(to_sarif([("dev", finding)], BUILT_IN, version="1", docs=None, prefix="infra/"))["runs"][0][
        "results"
    ]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "stacks/s.yaml"


def test_a_waived_finding_is_a_suppressed_result_with_its_reason_and_no_other_is() -> None:
    results = log()["runs"][0]["results"]
    assert [result["suppressions"] for result in results] == [
        [],
        [{"kind": "inSource", "status": "accepted", "justification": "Old client (until 2027-01-01)"}],
        [],
    ]


def test_every_rule_carries_its_help_and_where_documentation_has_an_address_the_link_to_its_heading() -> None:
    with_docs = log(docs="https://docs.example.com/ringwall")["runs"][0]["tool"]["driver"]["rules"]
    without = log()["runs"][0]["tool"]["driver"]["rules"]
    reference = (Path(__file__).parents[3] / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")
    assert [rule["id"] for rule in with_docs] == sorted(rule.id for rule in BUILT_IN)
    for rule, plain in zip(with_docs, without, strict=True):
        assert rule["helpUri"] == f"https://docs.example.com/ringwall/reference/rules.md#{rule['id']}"
        assert f"\n### {rule['id']}\n" in reference
        assert "helpUri" not in plain
        assert "Remedy: " in plain["help"]["text"]


def test_the_same_findings_give_the_same_bytes_and_a_moved_line_the_same_fingerprint() -> None:
    assert to_sarif(FINDINGS, BUILT_IN, version="1", docs=None) == to_sarif(
        FINDINGS, BUILT_IN[::-1], version="1", docs=None
    )
    stack, finding = FINDINGS[0]
    moved = Finding(**{**vars(finding), "line": 99})
    texts = [to_sarif([(stack, sample)], BUILT_IN, version="1", docs=None) for sample in (finding, moved)]
    prints = [json.loads(text)["runs"][0]["results"][0]["partialFingerprints"] for text in texts]
    assert prints[0] == prints[1]
    assert texts[0] != texts[1]
