"""A project is read as a whole: what servers inherit, and what two of them must not share."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model.errors import InputError
from model.project import find_project, load, load_environment, merge, open_project
from model.server import Server
from model.stacks import config_key_of, environment_of, server_of
from tests.support.bad_files import ENVIRONMENT, HOSTED, ONE, lines
from tests.support.projects import server_text, write_project, write_server

DEFAULTS = """\
    defaults:
      posture: [encrypted]
      session: 1h
      countries: [NO]
      limits:
        requests_per_minute: 11
        requests_per_hour: 22
        tools:
          get_ticket: {requests_per_minute: 3}
          of_another_server: {requests_per_minute: 3}
      guard:
        legs: {results: flag}
        engines:
          lakera: {project_id: project-9, api_key: {env: LAKERA}}
"""


def edit(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text()
    assert text.count(old) == 1
    (root / file).write_text(text.replace(old, new))


def with_defaults(tmp_path: Path, server: str = "") -> Server:
    root = write_project(tmp_path)
    (root / ENVIRONMENT).write_text((root / ENVIRONMENT).read_text() + DEFAULTS)
    (root / ONE).write_text((root / ONE).read_text() + server)
    return load_environment(open_project(root), "dev").servers["one"].manifest


def test_every_shape_of_server_loads(tmp_path: Path) -> None:
    loaded = load_environment(open_project(write_project(tmp_path, every_shape=True)), "dev")
    assert sorted(loaded.servers) == ["external", "hosted", "one"]
    assert list(loaded.servers["hosted"].manifest.hostnames.items()) == [
        ("hosted.example.com", None),
        ("hosted-claude.example.com", "claude-ai"),
    ]


def test_a_server_inherits_the_environments_countries(tmp_path: Path) -> None:
    loaded = load_environment(open_project(write_project(tmp_path, every_shape=True)), "dev")
    assert loaded.servers["one"].manifest.countries == ("NO", "SE")
    assert loaded.servers["hosted"].manifest.countries == ("NO",)


def test_defaults_reach_a_server_that_says_nothing(tmp_path: Path) -> None:
    manifest = with_defaults(tmp_path)
    assert (manifest.session, manifest.countries) == ("1h", ("NO",))
    assert (manifest.limits.requests_per_minute, manifest.limits.requests_per_hour) == (11, 22)
    assert manifest.limits.concurrency == 8
    assert manifest.guard.legs.results == "flag"
    assert manifest.guard.legs.arguments == "block"
    assert manifest.guard.engines.names == ("lakera",)


def test_mappings_merge_key_by_key_and_the_servers_own_key_wins(tmp_path: Path) -> None:
    manifest = with_defaults(
        tmp_path,
        "    limits:\n      requests_per_minute: 33\n      tools: {list_tickets: {}}\n"
        "    guard: {engines: {embedded: {}}}\n",
    )
    assert (manifest.limits.requests_per_minute, manifest.limits.requests_per_hour) == (33, 22)
    assert sorted(manifest.limits.tools) == ["get_ticket", "list_tickets", "of_another_server"]
    assert manifest.guard.engines.names == ("embedded", "lakera")


def test_lists_replace(tmp_path: Path) -> None:
    assert with_defaults(tmp_path, "    countries: [SE, DK]\n").countries == ("SE", "DK")


def test_merge_leaves_both_sides_as_they_were() -> None:
    base, over = {"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"c": [2]}, "e": None}
    assert merge(base, over) == {"a": {"b": 1, "c": [2]}, "d": 1, "e": None}
    assert base == {"a": {"b": 1, "c": [1]}, "d": 1}


def test_an_unknown_posture_rule_in_the_defaults_is_said_once_where_it_stands(tmp_path: Path) -> None:
    root = write_project(tmp_path, servers=2)
    (root / ENVIRONMENT).write_text((root / ENVIRONMENT).read_text() + "    defaults:\n      posture: [patched]\n")
    number = len((root / ENVIRONMENT).read_text().splitlines())
    assert lines(root) == [
        f"{root / ENVIRONMENT}:{number}: config.ringwall:environment.defaults.posture: patched is not in posture; "
        "correct it (known: encrypted); or add it to posture"
    ]


def test_every_mistake_of_every_server_is_reported_at_once(tmp_path: Path) -> None:
    root = write_project(tmp_path, every_shape=True)
    edit(root, ONE, "host: dev-1", "host: Dev")
    edit(root, ONE, "guard_port: 9010", "guard_port: 1")
    edit(root, HOSTED, "requests_per_minute: 30", "requests_per_minute: many")
    assert len(lines(root)) == 3


@pytest.mark.parametrize(("provider", "refused"), [("github", True), ("okta", False), ("saml", False)])
def test_a_grant_to_a_group_that_no_token_carries_is_refused(tmp_path: Path, provider: str, refused: bool) -> None:
    root = write_project(tmp_path)
    environment, server = root / ENVIRONMENT, root / ONE
    environment.write_text(environment.read_text().replace("type: okta", f"type: {provider}"))
    server.write_text(server.read_text().replace("{all: true}", "{groups: [engineers]}"))
    if not refused:
        load_environment(open_project(root), "dev")
        return
    with pytest.raises(InputError) as problem:
        load_environment(open_project(root), "dev")
    assert "grants.0.to.groups" in str(problem.value)
    assert "engineers holds the GitHub organization Engineering, which Access tokens do not carry" in str(problem.value)
    assert "grant to emails, domains or agents" in str(problem.value)


PARTNER = "  partner: {id: 11111111-2222-3333-4444-555555555556, type: saml}\n"


@pytest.mark.parametrize(
    ("groups", "refused"),
    [
        ("", True),
        ("  theirs: {idp_groups: [{provider: partner, group: Engineering}]}\n", True),
        ("  theirs: {idp_groups: [{provider: partner, group: Sales, claim: groups}]}\n", True),
        ("  theirs: {idp_groups: [{provider: partner, group: Engineering, claim: partner_groups}]}\n", False),
    ],
)
def test_a_group_that_another_provider_could_name_too_is_refused_for_grants(
    tmp_path: Path, groups: str, refused: bool
) -> None:
    root = write_project(tmp_path)
    environment, server = root / ENVIRONMENT, root / ONE
    text = re.sub(r"(?m)^( *)identity_providers:\n", rf"\g<0>\g<1>{PARTNER}", environment.read_text())
    environment.write_text(
        re.sub(r"(?m)^( *)groups:\n", lambda found: found[0] + found[1] + groups, text) if groups else text
    )
    load_environment(open_project(root), "dev")
    server.write_text(server.read_text().replace("{all: true}", "{groups: [engineers]}"))
    if not refused:
        load_environment(open_project(root), "dev")
        return
    with pytest.raises(InputError) as problem:
        load_environment(open_project(root), "dev")
    assert "grants.0.to.groups" in str(problem.value)
    assert "a token does not say that it is not one of partner with that name" in str(problem.value)
    assert "give the groups of one provider a claim of their own" in str(problem.value)


def test_a_missing_tool_lock_names_the_command_that_makes_it(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    lock = root / "stacks" / "dev.one.lock.yaml"
    lock.unlink()
    assert lines(root) == [
        f"{lock}: the tool lock is missing; run `ringwall onboard one --env dev`, review the lock and commit it"
    ]


def test_a_tool_lock_that_is_not_utf_8_is_one_line(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    lock = root / "stacks" / "dev.one.lock.yaml"
    lock.write_bytes(b"\xff" + lock.read_bytes())
    assert lines(root) == [f"{lock}: is not UTF-8 (byte 0); save it as UTF-8"]


def test_an_edited_tool_lock_is_refused(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    edit(root, "stacks/dev.one.lock.yaml", '"description": "Get ticket."', '"description": "Get any ticket."')
    (line,) = lines(root)
    assert "is not the digest of its definition" in line


@pytest.mark.parametrize("host", ["dev-1", "dev-2"])
def test_hybrid_guard_ports_are_unique_in_the_environment(tmp_path: Path, host: str) -> None:
    root = write_project(tmp_path, topology="hybrid")
    write_server(root, "dev.two", server_text("two", 1).replace("9011", "9010").replace("host: dev-1", f"host: {host}"))
    (line,) = lines(root)
    assert "guard_port: port 9010 " in line
    assert line.endswith("; choose another")


def test_in_hybrid_no_route_ends_at_another_servers_admin_port(tmp_path: Path) -> None:
    root = write_project(tmp_path, topology="hybrid")
    text = server_text("two", 1).replace("guard_port: 9011", "guard_port: 10010").replace("host: dev-1", "host: dev-2")
    write_server(root, "dev.two", text)
    (line,) = lines(root)
    assert "guard_port: port 10010 is dev.one's; hybrid guard ports are unique in the environment" in line


def test_a_default_admin_port_that_is_taken_names_the_key_that_chooses_another(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    write_server(root, "dev.two", server_text("two", 1).replace("guard_port: 9011", "guard_port: 8010"))
    (line,) = lines(root)
    assert (
        "guard_admin_port: port 9010 on host dev-1 belongs to dev.one (guard_port); add the key with another port"
        in line
    )


def test_colocated_servers_on_two_hosts_may_share_an_admin_port(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    text = (
        server_text("two", 1).replace("9011", "9011\n    guard_admin_port: 10010").replace("host: dev-1", "host: dev-2")
    )
    write_server(root, "dev.two", text)
    servers = load_environment(open_project(root), "dev").servers
    assert [servers[name].manifest.admin_port for name in ("one", "two")] == [10010, 10010]


def test_colocated_hosts_may_use_one_port_each(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    write_server(root, "dev.two", server_text("two", 1).replace("9011", "9010").replace("host: dev-1", "host: dev-2"))
    assert load_environment(open_project(root), "dev").servers["two"].manifest.guard_port == 9010


def test_two_servers_on_one_origin_port_are_refused(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    write_server(root, "dev.two", server_text("two", 1).replace(":3001/", ":3000/"))
    (line,) = lines(root)
    assert "origin.url: port 3000 on host dev-1 belongs to dev.one (origin.url); choose another" in line


@pytest.mark.parametrize("name", ["Prod", "de_v", "zone", "-", "dev.one"])
def test_a_name_that_cannot_be_an_environments_is_refused(tmp_path: Path, name: str) -> None:
    project = open_project(write_project(tmp_path))
    with pytest.raises(InputError, match="is no environment name; use lower-case"):
        load_environment(project, name)


def test_a_server_name_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    write_server(root, "dev.Two", server_text("two", 1))
    assert "Two is no server name; use lower-case letters, digits and -" in lines(root)[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not a stack file of an environment"),
        ("- a\n", "is not a stack file of an environment"),
        ("config:\n", "config: must be a mapping that holds the manifest"),
        ("config: [a]\n", "config: must be a mapping that holds the manifest"),
        ("encryptionsalt: x\n", "config: must be a mapping that holds the manifest"),
        ("config: {}\n", "config: holds no ringwall:environment"),
        ("config: {ringwall:environment: }\n", "config.ringwall:environment: must be a mapping"),
    ],
)
def test_a_file_without_a_manifest_is_one_line(tmp_path: Path, text: str, problem: str) -> None:
    root = write_project(tmp_path)
    (root / ENVIRONMENT).write_text(text)
    (line,) = lines(root)
    assert line.startswith(f"{root / ENVIRONMENT}:1: {problem}; ")


def test_pulumis_own_keys_and_encrypted_provider_tokens_are_allowed(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    text = (root / ENVIRONMENT).read_text()
    tokens = "config:\n  cloudflare:apiToken:\n    secure: v1:x\n  kong:kongAdminToken: {secure: v1:y}\n"
    tokens += "  pulumi:tags: {a: b}\n"
    (root / ENVIRONMENT).write_text("encryptionsalt: v1:z\n" + text.replace("config:\n", tokens))
    assert load_environment(open_project(root), "dev").name == "dev"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dve", r"there is no stack dve; did you mean dev\? \(known: dev, dev.one\)"),
        ("prod", r"there is no stack prod; correct it \(known: dev, dev.one\)"),
        ("one", "one is a server of dev; write dev.one"),
        ("DEV", "'DEV' is no environment name; write dev"),
        ("Pulumi.dev.yaml", "Pulumi.dev.yaml is a file, not a stack; write the stack's name: dev"),
        (
            "stacks/Pulumi.dev.one.yaml",
            "stacks/Pulumi.dev.one.yaml is a file, not a stack; write the stack's name: dev.one",
        ),
        ("dev.oen", r"there is no server oen in environment dev; did you mean dev.one\? \(known: dev.one\)"),
        ("zone.exampel", r"there is no stack zone.exampel; correct it \(known: dev, dev.one\)"),
    ],
)
def test_a_mistyped_stack_is_answered_with_the_one_that_was_meant(tmp_path: Path, name: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        load(open_project(write_project(tmp_path)), name)


def test_a_stack_file_of_another_kind_or_ending_is_named_and_not_called_missing(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text()
    file.unlink()
    file.with_suffix(".yml").write_text(text)
    assert lines(root) == [f"{file.with_suffix('.yml')}: a stack file ends in .yaml; rename it Pulumi.dev.one.yaml"]
    file.with_suffix(".yml").unlink()
    file.mkdir()
    assert lines(root) == [f"{file}: is no file, or leads to none; put the stack file in its place"]
    file.rmdir()
    file.symlink_to("nowhere")
    assert lines(root) == [f"{file}: is no file, or leads to none; put the stack file in its place"]


def test_a_folder_in_the_place_of_a_tool_lock_is_not_called_a_missing_lock(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    lock = root / "stacks" / "dev.one.lock.yaml"
    lock.unlink()
    lock.mkdir()
    assert lines(root) == [f"{lock}: is a folder, not a file; put the file itself there"]


def test_a_folder_of_stack_files_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\nstackConfigDir: nowhere\n")
    with pytest.raises(InputError, match=f"its folder {tmp_path / 'nowhere'} is not there: correct stackConfigDir"):
        load(open_project(tmp_path), "dev")


def test_init_is_named_only_where_there_is_no_environment_or_its_file_is_missing(tmp_path: Path) -> None:
    project = open_project(write_project(tmp_path))
    project.stack_file("dev").unlink()
    with pytest.raises(InputError, match="its servers' files are here: run `ringwall init dev`"):
        load(project, "dev")
    project.stack_file("dev.one").unlink()
    with pytest.raises(InputError, match="there is no stack prod; make the environment: `ringwall init prod`"):
        load(project, "prod")


def test_a_project_is_found_from_below_and_missed_where_there_is_none(tmp_path: Path) -> None:
    root = write_project(tmp_path / "p")
    project = find_project(root / "stacks")
    assert (project.root, project.stacks(), project.environments()) == (root, ["dev", "dev.one"], ["dev"])
    with pytest.raises(InputError, match=r"no Pulumi\.yaml here or above"):
        find_project(tmp_path)


def test_the_digest_follows_the_settings_and_nothing_else(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    first = load_environment(open_project(root), "dev").digest
    (root / ENVIRONMENT).write_text(
        "# a comment\n" + (root / ENVIRONMENT).read_text().replace("[NO, SE]", '["NO",  SE]')
    )
    assert load_environment(open_project(root), "dev").digest == first
    edit(root, ENVIRONMENT, "      team: example", "      team: other")
    assert load_environment(open_project(root), "dev").digest != first


def test_every_kind_of_stack_says_its_name_environment_and_servers(tmp_path: Path) -> None:
    root = write_project(tmp_path, every_shape=True)
    project = open_project(root)
    environment = load(project, "dev")
    server_stack = load(project, "dev.one")
    assert (environment.stack, environment.config_key) == ("dev", "ringwall:environment")
    assert environment.environment is environment
    assert [server.stack for server in environment.reach] == ["dev.external", "dev.hosted", "dev.one"]
    assert (server_stack.stack, server_stack.config_key) == ("dev.one", "ringwall:server")
    assert server_stack.environment is not None
    assert server_stack.environment.servers["one"] is server_stack
    assert server_stack.reach == (server_stack,)
    assert "EnvironmentStack" not in repr(server_stack)


@pytest.mark.parametrize(
    ("stack", "environment", "server", "key"),
    [
        ("dev", "dev", "", "ringwall:environment"),
        ("dev.one", "dev", "one", "ringwall:server"),
        ("zone.example", "zone.example", "", "ringwall:zone"),
    ],
)
def test_a_stacks_name_says_what_it_is(stack: str, environment: str, server: str, key: str) -> None:
    assert (environment_of(stack), server_of(stack), config_key_of(stack)) == (environment, server, key)


def test_only_the_model_takes_a_stacks_name_apart() -> None:
    """A zone has a dot in its name, too: split by hand, ``zone.example`` is a server of an environment `zone`."""
    by_hand = re.compile(
        r"\b(s|stack|stacks\[0\]|name|owner|server|first)\b\"?\)?\.(split|partition)\(\"\.\"|startswith\(\"zone\.\"\)"
    )
    root = Path(__file__).parents[2]
    folders = ("cli", "components", "engine", "operations", "package", "plan", "policy_pack")
    files = [file for folder in folders for file in (root / folder).rglob("*.py")]
    assert [file.name for file in files if by_hand.search(file.read_text(encoding="utf-8"))] == []
