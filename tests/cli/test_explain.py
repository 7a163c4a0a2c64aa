"""`ringwall explain` on the command line: what it shows, its document and its exit codes."""

from __future__ import annotations

from model.project import Project
from tests.support.command_line import Result, ringwall

ADA = ("--as", "person:ada@example.com")


def explain(project: Project, *arguments: str) -> Result:
    return ringwall("explain", "dev.one", *arguments, "--project", project.root)


def test_an_allowed_call_ends_with_0_and_a_refused_one_with_3_and_the_way_to_allow_it(project: Project) -> None:
    allowed = explain(project, *ADA, "list_tickets", '{"id": "7"}')
    assert allowed.code == 0, allowed.err
    assert allowed.out.startswith(
        "dev.one: tool list_tickets for person:ada@example.com: allowed, on the conditions below\n"
    )
    refused = explain(project, *ADA, "create_ticket")
    assert refused.code == 3
    lines = [line.strip() for line in refused.out.splitlines()]
    assert lines[-6:] == [
        "guard    REFUSES  grant 2 gives tool create_ticket to agents: ci alone",
        "Pulumi.dev.one.yaml:18",
        "→ add this grant to dev.one",
        '- to: {emails: ["ada@example.com"]}',
        'tools: ["create_ticket"]',
        "read_only: false",
    ]
    assert all(len(line) <= 80 for line in [*allowed.out.splitlines(), *refused.out.splitlines()][1:])


def test_the_document_names_file_line_and_remedy(project: Project) -> None:
    done = explain(project, "create_ticket", *ADA, "--json")
    assert done.code == 3
    assert (done.json["allowed"], done.json["principal"]) == (False, "person:ada@example.com")
    refusal = next(item for item in done.json["answers"] if item["effect"] == "refuses")
    assert (refusal["ring"], refusal["file"], refusal["line"]) == ("guard", "stacks/Pulumi.dev.one.yaml", 18)
    assert refusal["remedy"] == "add this grant to dev.one"
    assert "read_only: false" in refusal["example"]


def test_a_prompt_is_named_by_an_option_and_its_arguments_follow(project: Project) -> None:
    done = explain(project, *ADA, "--prompt", "triage", '{"a": "b"}', "--json")
    assert (done.json["kind"], done.json["name"]) == ("prompt", "triage")


def test_a_question_that_asks_for_nothing_or_two_things_is_an_error(project: Project) -> None:
    assert explain(project, *ADA).errors == [
        "nothing is asked for; name a tool, or give --prompt NAME or --resource URI"
    ]
    assert explain(project, *ADA, "--prompt", "a", "--resource", "b://c").code == 2
    wrong = explain(project, *ADA, "list_tickets", "{id: 7}")
    assert wrong.code == 2
    assert wrong.errors[0].startswith("ARGUMENTS: is not JSON")


def test_an_environment_is_answered_with_its_servers(project: Project) -> None:
    done = ringwall("explain", "dev", *ADA, "list_tickets", "--project", project.root)
    assert done.code == 2
    assert done.errors == ["dev is an environment; name one of its servers: dev.external, dev.hosted, dev.one"]
