from __future__ import annotations

import threading
import time
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest

from model.errors import InputError
from sandbox import Fault, Faults, Sandbox
from sandbox import faults as fault_file
from tests.sandbox.conftest import Client


def create(kong: Client, name: str) -> str | None:
    """None when made, else the refusal."""
    try:
        kong.create("Service", name=name, protocol="http")
    except grpc.RpcError as error:
        return str(error.details())
    return None


def test_only_the_nth_matching_call_fails(sandbox: Sandbox, kong: Client) -> None:
    sandbox.faults.add(Fault("create", "kong:*Service", nth=2, message="503 down"))
    kong.create("Consumer", username="c")
    assert [create(kong, name) for name in ("a", "b", "c")] == [None, "503 down", None]
    assert {record.outputs.get("name") for record in sandbox.resources("*Service")} == {"a", "c"}


def test_zero_fails_every_call_until_cleared(sandbox: Sandbox, kong: Client) -> None:
    sandbox.faults.add(Fault("create", nth=0, message="down"))
    assert [create(kong, "a"), create(kong, "a")] == ["down", "down"]
    sandbox.faults.clear()
    assert create(kong, "a") is None


def test_failure_after_the_effect_leaves_the_resource_made(sandbox: Sandbox, kong: Client) -> None:
    sandbox.faults.add(Fault("create", message="timeout", after_effect=True))
    assert create(kong, "a") == "timeout"
    assert [record.outputs["name"] for record in sandbox.resources()] == ["a"]


def test_preview_meets_no_create_fault(sandbox: Sandbox, kong: Client) -> None:
    sandbox.faults.add(Fault("create", message="down"))
    kong.create("Service", preview=True, name="a", protocol="http")
    assert create(kong, "a") == "down"


def test_delay_without_a_message_only_takes_time(sandbox: Sandbox, kong: Client) -> None:
    sandbox.faults.add(Fault("create", delay=0.2))
    started = time.monotonic()
    assert create(kong, "a") is None
    assert time.monotonic() - started >= 0.2


def test_file_in_the_state_folder_works_in_mid_run(sandbox: Sandbox, kong: Client) -> None:
    fault_file.write(sandbox.store.folder, [Fault("create", message="down", nth=0)])
    assert create(kong, "a") == "down"
    fault_file.write(sandbox.store.folder, [])
    assert create(kong, "a") is None


def test_file_that_holds_no_faults_is_refused(sandbox: Sandbox, kong: Client, tmp_path: Path) -> None:
    (sandbox.store.folder / "faults.json").write_text('[{"operaton": "create"}]')
    assert "faults.json: not a list of faults" in (create(kong, "a") or "")
    (tmp_path / "faults.json").write_text("{")
    with pytest.raises(InputError, match="not a list of faults"):
        fault_file.read(tmp_path)


def test_faults_given_by_code_are_in_force_from_the_start(tmp_path: Path) -> None:
    faults = Faults([Fault("create", "cloudflare:*", message="x")])
    assert faults.due("create", "kong:index/service:Service") == []
    assert [fault.message for fault in faults.due("create", "cloudflare:index/dnsRecord:DnsRecord")] == ["x"]
    assert faults.due("create", "cloudflare:index/dnsRecord:DnsRecord") == []


def test_a_delay_after_the_effect_holds_the_answer_alone(sandbox: Sandbox, kong: Client) -> None:
    fault = Fault("create", delay=0.3, after_effect=True)
    sandbox.faults.add(fault)
    assert not sandbox.faults.wait_for(fault, 0)
    asking = threading.Thread(target=create, args=(kong, "a"))
    asking.start()
    assert sandbox.faults.wait_for(fault, 30)
    assert [record.outputs["name"] for record in sandbox.resources()] == ["a"]
    assert asking.is_alive()
    asking.join()


def test_a_fault_of_a_name_meets_the_resource_of_that_name_alone() -> None:
    faults, service = Faults([Fault("create", "kong:*", message="x", name="dev-*")]), "kong:index/service:Service"
    assert faults.due("create", service, "prod-one") == []
    assert [fault.message for fault in faults.due("create", service, "dev-one")] == ["x"]
