"""Reports about real MCP servers and clients: what happens now with each, and the tests that hold it.

The reports come from public trackers and from trials with real servers and clients; an id is a report's number there.
`python -m tests.cases.table` writes README.md beside this file; a test holds both together, and that every test exists.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("README.md")

HEAD = """\
# Reports about real servers and clients

Made by `python -m tests.cases.table`. What a server, client or user does, what happens now, and the tests that hold it.

| Report | What is done | What happens | Held by |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Case:
    """One report. A test is `file::function`, seen from tests/; a case without one says in `outcome` where it is left."""

    id: str
    title: str
    outcome: str
    tests: tuple[str, ...] = ()


CASES = (
    Case(
        "36",
        "A client writes absent arguments as null",
        "`arguments: null` is no arguments, and so forwarded; a list is refused with these words.",
        ("guard/decide/test_from_client.py::test_arguments_that_are_null_are_none_and_a_list_is_no_arguments",),
    ),
    Case(
        "41",
        "`pulumi config set --secret` rewrites the stack file",
        "Pulumi 3.256 keeps quotes and comments, and the file reads the same. Where another tool took quotes off, the "
        "refusal names line, key, what to write, and `git diff`.",
        (
            "integration/test_plain_cli.py"
            "::test_a_secret_set_by_the_plain_cli_leaves_every_value_and_quote_of_the_stack_file",
            "model/test_loader.py::test_an_unquoted_date_is_refused",
            "model/test_loader.py::test_a_number_of_over_15_digits_is_refused",
        ),
    ),
    Case(
        "45",
        "Cloudflare answers in another spelling than it was told",
        "Addresses are written in lower case, durations always, lists in one order; an unchanged second `up` runs nothing. "
        "A duration that Cloudflare would answer in another form is not played through.",
        (
            "components/edge/test_access.py::test_an_address_is_written_as_access_keeps_it_and_twice_is_once",
            "components/edge/test_access.py::test_the_order_of_countries_in_the_file_changes_nothing",
            "sandbox/test_engine_run.py::test_second_run_of_every_resource_type_changes_nothing",
            "integration/test_up.py::test_an_unchanged_environment_is_asked_once_a_stack_and_nothing_is_run",
        ),
    ),
    Case(
        "46",
        "A service token is replaced while a policy names it",
        "A longer life is an update of the same token. A renamed agent gets a new one, its policy follows, and the old one "
        "goes last; the stand-in refuses any other order.",
        (
            "integration/test_plain_cli.py"
            "::test_a_renamed_agent_gets_its_new_token_before_the_old_goes_and_a_longer_one_is_no_new_token",
            "sandbox/test_service.py::test_a_service_token_stays_while_a_policy_names_it",
            "sandbox/test_service.py::test_client_secret_stays_until_it_is_rotated",
        ),
    ),
    Case(
        "48",
        "A page's preflight, silent streams, and a guard that failed",
        "The preflight ends at Kong with 200 and every header of the SDKs; session and challenge can be read. Bodies are "
        "streamed both ways; a target comes back after good probes.",
        (
            "rings/test_browser_clients.py::test_a_page_may_send_what_an_sdk_sends_and_reads_session_and_challenge",
            "components/gateway/test_entities.py::test_no_options_without_cors",
        ),
    ),
    Case(
        "F1",
        "One ordinary file uses the token budget up and ends the client's session",
        "The defaults let a file of 1 MB pass, and go on. A result and its text copy count once. Every limit is "
        "a tool error, or a JSON-RPC error, on HTTP 200 with key, number, use and wait, in the audit log too.",
        (
            "clients/test_limits.py::test_the_session_of_an_sdk_client_outlives_every_limit",
            "guard/decide/test_answers_of_limits.py"
            "::test_the_defaults_let_a_caller_read_a_file_of_a_megabyte_and_go_on",
            "guard/decide/test_answers_of_limits.py::test_a_result_and_its_text_copy_cost_caller_and_server_once",
            "guard/decide/test_answers_of_limits.py"
            "::test_a_request_over_the_size_is_refused_with_the_key_its_number_and_its_own_size",
            "rings/test_limits.py::test_no_call_is_executed_and_then_answered_as_refused",
        ),
    ),
    Case(
        "W5",
        "A required argument that has a default is left out",
        "The guard fills it in as the server would; what is filled is judged, recorded and sent.",
        (
            "guard/decide/test_from_client.py"
            "::test_a_required_argument_with_a_default_may_be_left_out_and_the_server_is_sent_it",
            "model/test_schema_defaults.py::test_a_required_member_with_a_default_is_filled",
        ),
    ),
)


def unknown_tests() -> list[str]:
    """The tests of the table that are nowhere."""
    functions: dict[str, set[str]] = {}
    missing = []
    for test in (test for case in CASES for test in case.tests):
        file, _, name = test.partition("::")
        if file not in functions:
            path = ROOT / "tests" / file
            tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
            functions[file] = {
                node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        if name not in functions[file]:
            missing.append(test)
    return missing


def page() -> str:
    """README.md."""
    rows = [
        f"| {case.id} | {case.title} | {case.outcome} | {'<br>'.join(f'`{test}`' for test in case.tests)} |"
        for case in CASES
    ]
    return HEAD + "\n".join(rows) + "\n"


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
