"""Reports from trials with real servers and clients."""

from __future__ import annotations

from tests.cases.case import Case

FROM_TRIALS = (
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
        "F2",
        "A client's answer to roots/list is blocked",
        "Folders reach the server; other addresses are no roots.",
        (
            "guard/decide/test_question_answers.py::test_roots_reach_the_server",
            "guard/decide/test_question_answers.py::test_what_is_no_folder_of_the_client_is_no_root",
        ),
    ),
    Case(
        "F3",
        "Tools that depend on what the client can do",
        "As 9.",
        (
            "cli/test_onboard.py::test_what_is_unstable_is_named_and_granted_to_nobody_and_capabilities_stand_in_the_lock",
        ),
    ),
    Case(
        "F4",
        "A granted tool is hidden without a word",
        "`onboard`, `check` and `/readyz` name it with the command that accepts; list and call agree.",
        (
            "cli/test_acceptance.py::test_check_names_a_granted_tool_that_the_guard_withholds_with_the_command_that_accepts",
            "guard/decide/test_definitions.py::test_a_finding_beside_an_accepted_one_withholds",
        ),
    ),
    Case(
        "F5",
        "A default in another order at each start",
        "`onboard` asks twice and names it with the remedy; it is granted to nobody.",
        ("operations/onboard/test_stability.py::test_what_two_starts_show_otherwise_is_named_and_not_granted",),
    ),
    Case(
        "R1",
        "Warnings about siblings of the same server",
        "Only other servers' tools count.",
        ("operations/onboard/test_risk.py::test_servers_own_tools_are_not_another_servers",),
    ),
    Case(
        "R2",
        "Readers called writers",
        "Reading verbs count after a prefix; a nested word alone makes no writer.",
        ("operations/onboard/test_risk.py::test_risk_follows_name_and_parameters",),
    ),
    Case(
        "R3",
        "Emoji called hidden text",
        "An emoji's own selectors are not hidden.",
        ("operations/onboard/test_risk.py::test_plain_text_is_left_in_peace",),
    ),
    Case(
        "R4",
        "A server's own error is not shown",
        "As 14: its words, and which list.",
        ("guard/probe/test_probe.py::test_a_list_that_fails_is_left_out_in_the_errors_own_words",),
    ),
    Case(
        "R5",
        "The wrong line of stderr is shown",
        "The line that names the error.",
        ("guard/probe/test_probe.py::test_the_line_of_stderr_that_names_the_error_is_shown",),
    ),
    Case(
        "R6",
        "A grant of writing to everyone is refused",
        "README says so beside its example, which passes.",
        ("docs/test_examples.py::test_readme_says_which_grant_check_refuses_beside_the_example",),
    ),
    Case(
        "R7",
        "The stack file does not say what was left out",
        "It says so in a comment, with the reason.",
        ("cli/test_onboard.py::test_stack_file_says_which_tools_were_left_out_and_why",),
    ),
    Case(
        "R8",
        "One schema without a type fails the whole onboarding",
        "As 6.",
        ("operations/onboard/test_left_out.py::test_a_bad_tool_is_left_out_with_its_place_and_the_rest_is_pinned",),
    ),
    Case(
        "S1",
        "An injection behind a quoted line end",
        "Quoted line ends are opened however often the text was quoted, so the phrase is found.",
        (
            "guard/engines/test_decoding.py::test_quoted_line_ends_and_commands_to_a_terminal_part_no_word_and_join_none",
        ),
    ),
    Case(
        "S2",
        "Publishing tools called not outbound",
        "Outbound unless the server denies it and nothing speaks against.",
        ("operations/onboard/test_risk.py::test_tool_may_send_unless_its_server_denies_it_and_nothing_speaks_against",),
    ),
    Case(
        "S3",
        "`resolve_*` runs through a grant for reading",
        "A parameter that sets a state makes it a writer.",
        ("operations/onboard/test_real_tool_lists.py::test_grant_of_every_tool_opens_none_that_sets_a_state",),
    ),
    Case(
        "S4",
        "Readers that hand out secrets are granted",
        "Held back with that reason.",
        (
            "operations/onboard/test_risk.py::test_reading_secrets_is_not_a_harmless_read",
            "operations/onboard/test_risk.py::test_reader_of_files_is_held_back_where_its_server_runs_commands",
        ),
    ),
    Case(
        "W1",
        "Examples, test data, progress bars and notes on attacks in results",
        "They pass or are flagged; real secrets and orders are stopped.",
        (
            "guard/engines/test_developer_texts.py::test_what_developers_read_passes_in_results",
            "guard/engines/test_developer_texts.py::test_the_same_shapes_with_a_real_secret_or_attack_are_stopped",
            "guard/engines/rules/test_contexts.py::test_a_commits_subject_passes_in_arguments",
        ),
    ),
    Case(
        "W2",
        "Writing ordinary source is blocked",
        "As 40.",
        ("guard/engines/test_argument_kinds.py::test_what_is_written_is_neither_run_nor_fetched",),
    ),
    Case(
        "W3",
        "A PDF in a result cannot pass",
        "As 29.",
        ("guard/inspect/test_media_types.py::test_what_the_lock_lists_passes_and_what_it_does_not_is_named",),
    ),
    Case(
        "W4",
        "A converter's `file:` and `data:` addresses",
        "A tool that says it takes them may be given them; a page inside `data:` is read.",
        ("guard/engines/test_argument_kinds.py::test_ordinary_arguments_of_each_kind_pass",),
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
