"""Reports from public trackers; an id is a report's number there."""

from __future__ import annotations

from tests.cases.case import Case

FROM_TRACKERS = (
    Case(
        "1",
        "A definition warns against sending secrets and is taken for an attack",
        "A warning against it is no finding, and a quoted attack is a note, which stops nothing. What the rules do find is "
        "shown at onboard, and an acceptance in the lock lists the tool.",
        (
            "guard/decide/test_definitions.py::test_a_tool_that_quotes_an_attack_is_listed_and_called_and_taints_nobody",
            "cli/test_acceptance.py::test_onboard_with_an_acceptance_grants_the_tool",
            "guard/decide/test_definitions.py::test_a_tool_whose_findings_are_all_accepted_is_listed_and_called",
        ),
    ),
    Case(
        "2",
        "One schema refers to what is not there",
        "That tool is left out with its place and reason; all others are pinned, and on a running guard it "
        "is refused alone.",
        (
            "operations/onboard/test_left_out.py::test_a_bad_tool_is_left_out_with_its_place_and_the_rest_is_pinned",
            "guard/decide/test_bad_members.py::test_a_locked_tool_that_cannot_be_enforced_is_refused_alone",
        ),
    ),
    Case(
        "3",
        "`$schema` is nearly a draft's address",
        "Each spelling of a draft is that draft; an unknown dialect costs its tool alone.",
        (
            "model/test_schemas.py::test_each_spelling_of_a_draft_is_that_draft",
            "model/test_schemas.py::test_what_is_no_draft_is_refused_at_its_place",
        ),
    ),
    Case(
        "4",
        "A pattern looks around, refers back or counts too far",
        "The lock names its place and leaves it to the server, which is said; without that line the tool is left out.",
        ("model/test_schemas.py::test_a_pattern_beyond_re2_is_left_to_the_server_only_where_its_place_is_named",),
    ),
    Case(
        "5",
        "PHP writes an empty object as a list",
        "The tool is left out by name; all others are usable.",
        ("operations/onboard/test_left_out.py::test_an_empty_list_for_an_object_costs_one_tool_in_every_revision",),
    ),
    Case(
        "6",
        "An input schema without a type, absent or null",
        "The tool is left out by name, at onboard and when a running server begins to list it.",
        ("guard/decide/test_bad_members.py::test_a_server_that_begins_to_list_what_is_bad_loses_that_alone",),
    ),
    Case(
        "7",
        "Slips in schemas that clients overlook",
        "Tool and pointer are named at onboard; the rest works.",
        ("model/test_schemas.py::test_a_slip_is_named_by_the_pointer_of_its_place",),
    ),
    Case(
        "8",
        "A definition holds the host's time zone",
        "`onboard` asks in the environment that the guard gives, and names facts of the host with the remedy.",
        (
            "guard/probe/test_probe.py::test_a_command_is_asked_in_the_environment_that_the_guard_gives_it",
            "operations/onboard/test_stability.py::test_facts_of_this_host_are_named",
        ),
    ),
    Case(
        "9",
        "Tools that appear with the client's capabilities",
        "`--client-capabilities` pins them; the lock says what was announced.",
        (
            "cli/test_onboard.py::test_what_is_unstable_is_named_and_granted_to_nobody_and_capabilities_stand_in_the_lock",
        ),
    ),
    Case(
        "11",
        "Lists that mean sets come in another order",
        "They are compared as sets, and a change of order is called that.",
        (
            "operations/onboard/test_lock.py::test_a_set_in_another_order_is_no_change_and_keeps_the_entry_with_its_digest",
            "guard/decide/test_pins.py::test_a_definition_whose_sets_changed_their_order_is_the_approved_one",
        ),
    ),
    Case(
        "12",
        "A tool or resource is offered twice",
        "Equal twins are one; unlike ones are left out.",
        ("operations/onboard/test_left_out.py::test_twins_are_one_entry_and_unlike_ones_are_left_out",),
    ),
    Case(
        "13",
        "A cursor that comes again",
        "A page that comes again ends the list, with a note; a list without end is left out.",
        (
            "guard/probe/test_probe.py::test_a_page_that_comes_again_ends_the_list_with_a_note",
            "guard/probe/test_probe.py::test_a_list_without_end_is_left_out_and_the_tools_are_there",
        ),
    ),
    Case(
        "14",
        "A list that nobody wants fails",
        "It is left out in the error's own words; tools are judged by the list of tools.",
        (
            "guard/probe/test_probe.py::test_a_list_that_fails_is_left_out_in_the_errors_own_words",
            "operations/onboard/test_left_out.py::test_a_list_that_failed_is_left_out_as_a_whole_and_the_tools_are_pinned",
            "guard/decide/test_watch.py::test_a_list_that_fails_costs_only_what_it_lists",
        ),
    ),
    Case(
        "17",
        "A server of the SDK's 1.x is restarted",
        "Old sessions get 404, clients begin others, and no breaker opens.",
        (
            "guard/http/test_old_sdk_server.py"
            "::test_sessions_of_before_a_restart_are_404_and_another_begins_under_the_old_id",
            "guard/http/test_server_slips.py::test_a_refusal_under_an_id_of_the_servers_own_keeps_its_status",
        ),
    ),
    Case(
        "18",
        "`initialize` with the id of an ended session",
        "A session begins.",
        ("guard/http/test_server_slips.py::test_initialize_with_the_id_of_an_ended_session_begins_another",),
    ),
    Case(
        "19",
        "Half of a surrogate pair in a result",
        "It passes as U+FFFD, inspected as shown.",
        ("guard/http/test_server_slips.py::test_an_answer_of_one_meaning_passes",),
    ),
    Case(
        "20",
        "An answer that is not JSON",
        "The caller is told at once by kind, the log by place; nothing is closed. On stdio too.",
        (
            "guard/http/test_server_slips.py::test_a_slip_is_told_by_kind_to_the_caller_and_by_place_to_the_log",
            "guard/http/test_stdio_slips.py::test_an_answer_that_cannot_be_read_or_is_anothers_ends_the_wait_at_once",
        ),
    ),
    Case(
        "21",
        "`error: null` beside a result, an answer in a list",
        "What has one meaning passes, at onboard and in traffic; the rest is told by kind.",
        ("guard/http/test_server_slips.py::test_an_answer_of_one_meaning_passes",),
    ),
    Case(
        "23",
        "An answer under another id",
        "The wait ends at once; onboard refuses the server by name.",
        (
            "guard/http/test_server_slips.py::test_an_answer_under_a_wrong_id_ends_the_wait_although_the_stream_stays_open",
            "guard/probe/test_probe.py::test_a_number_that_comes_back_otherwise_is_refused_by_name",
        ),
    ),
    Case(
        "25",
        "A server compresses although asked not to",
        "gzip and deflate are decoded within bounds; others are refused by name.",
        (
            "guard/http/test_server_slips.py::test_a_server_that_compresses_all_the_same_is_read",
            "guard/http/test_server_slips.py::test_a_body_that_grows_without_end_is_too_large_and_nothing_worse",
        ),
    ),
    Case(
        "26",
        "`/mcp` redirects to `/mcp/`",
        "`onboard` writes the address that answers and says so; the guard follows nothing and says where.",
        (
            "cli/test_onboard.py::test_a_server_that_redirects_to_a_path_of_its_own_is_written_with_the_url_that_answers",
            "guard/http/test_server_slips.py::test_an_answer_that_http_itself_makes_unusable_says_how",
        ),
    ),
    Case(
        "28",
        "An image under a wrong or loose label",
        "It passes under its own type.",
        (
            "guard/inspect/test_media_types.py::test_an_image_or_sound_passes_under_its_own_type_whatever_it_was_called",
            "guard/decide/test_from_server.py::test_an_image_under_a_wrong_label_passes_under_its_own",
        ),
    ),
    Case(
        "29",
        "Documents, archives and sound in results",
        "Text is read in its encoding; a media type that the lock lists passes and is counted; any other is "
        "blocked by name.",
        (
            "guard/inspect/test_media_types.py::test_what_the_lock_lists_passes_and_what_it_does_not_is_named",
            "guard/inspect/test_media_types.py::test_text_is_read_in_its_encoding",
            "guard/decide/test_from_server.py::test_a_media_type_that_the_lock_lists_passes_and_is_counted",
        ),
    ),
    Case(
        "30",
        "A command asks before its client listens",
        "The question is kept for the client, at most 30 s; else the command gets an error.",
        ("guard/http/test_early_questions.py::test_a_client_is_asked_what_the_command_asked_before_it_listened",),
    ),
    Case(
        "31",
        "Every look starts a second copy of a command",
        "The process that serves is asked; a copy starts only where none runs.",
        (
            "guard/decide/test_watch.py::test_a_command_is_asked_through_the_process_that_serves_and_no_second_copy_starts",
        ),
    ),
    Case(
        "32",
        "A command's stderr is lost",
        "Its last lines are in the guard's log, masked; onboard shows the line that names the error.",
        (
            "guard/http/test_stdio_slips.py::test_the_last_lines_of_stderr_are_in_the_log_without_secrets",
            "guard/probe/test_probe.py::test_the_line_of_stderr_that_names_the_error_is_shown",
        ),
    ),
    Case(
        "33",
        "A long call of a server that answers in JSON",
        "The client gets a byte every 15 s where it takes a stream.",
        ("guard/http/test_server_slips.py::test_a_long_call_of_a_json_server_sends_the_client_a_byte_now_and_then",),
    ),
    Case(
        "35",
        "A session id or header that is too long",
        "An error at initialize that names the header, and so at onboard.",
        (
            "guard/http/test_server_slips.py::test_a_session_id_that_no_client_could_send_back_is_an_error_at_initialize",
            "guard/probe/test_probe.py::test_a_session_id_that_no_client_would_get_is_refused_by_name",
        ),
    ),
    Case(
        "36",
        "A client writes absent arguments as null",
        "`arguments: null` is no arguments, and so forwarded; a list is refused with these words.",
        ("guard/decide/test_from_client.py::test_arguments_that_are_null_are_none_and_a_list_is_no_arguments",),
    ),
    Case(
        "37",
        "A query in the server's address",
        "A fixed query of `origin.url` is sent; a client's is refused.",
        ("guard/probe/test_probe.py::test_a_fixed_query_of_the_origin_is_sent",),
    ),
    Case(
        "38",
        "Clients that register several redirect addresses",
        "`access.clients` names them; all that a client registers at once is written into the list of Access.",
        (
            "components/edge/test_registration.py::"
            "test_whole_registration_of_a_client_is_accepted_exactly_where_the_list_allows_it",
            "operations/clients/test_snippets.py::"
            "test_persons_script_registers_signs_in_and_lists_tools_where_loopback_may_register",
        ),
    ),
    Case(
        "39",
        "Challenges of the edge that clients do not understand",
        "`verify` says which of the kinds it is, and which clients it keeps out.",
        (
            "operations/verify/test_clients.py::test_each_kind_of_challenge_is_told_apart_for_each_client",
            "operations/verify/test_clients.py::test_the_documents_resource_is_compared_as_each_client_compares_it",
            "clients/test_sign_in.py::test_the_sdk_comes_through_each_challenge_that_verify_says_it_does",
        ),
    ),
    Case(
        "40",
        "Ordinary arguments that were blocked",
        "An argument is judged by what it is; an exception lets one finding of one argument pass. That a browser's argument "
        "may name pages of its own machine, a reviewer says in the lock.",
        (
            "guard/engines/test_argument_kinds.py::test_ordinary_arguments_of_each_kind_pass",
            "guard/engines/test_argument_kinds.py::test_what_is_written_is_neither_run_nor_fetched",
            "guard/inspect/test_exceptions.py"
            "::test_a_private_address_is_excepted_for_the_one_argument_of_the_one_tool_that_is_for_it",
            "guard/inspect/test_exceptions.py"
            "::test_a_browsers_user_opens_pages_of_the_own_machine_where_the_lock_says_so_of_that_argument",
        ),
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
)
