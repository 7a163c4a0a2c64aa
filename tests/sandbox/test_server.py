from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import InputError, RingwallError
from sandbox import Sandbox
from tests.sandbox.conftest import Client


def test_start_imports_no_provider_sdk() -> None:
    program = (
        "import sys, tempfile, pathlib\n"
        "from sandbox import Sandbox\n"
        "with Sandbox(pathlib.Path(tempfile.mkdtemp())) as running: running.environment()\n"
        "print([name for name in sys.modules if name in ('pulumi_cloudflare', 'pulumi_kong')])\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_importing_the_package_loads_neither_grpc_nor_pulumi() -> None:
    program = "import sys, sandbox, engine.locate, engine.install, engine.plugins, engine.command\n"
    program += "print([name for name in ('grpc', 'pulumi', 'httpx') if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_environment_of_a_sandbox_that_does_not_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RingwallError, match="not running"):
        Sandbox(tmp_path).environment()


def test_environment_attaches_both_providers_on_loopback_and_stops_downloads(sandbox: Sandbox) -> None:
    environment = sandbox.environment()
    assert [part.split(":")[0] for part in environment["PULUMI_DEBUG_PROVIDERS"].split(",")] == ["cloudflare", "kong"]
    assert environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_changing_what_does_not_exist_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(InputError, match="0 sandbox resources have the id nothing"):
        sandbox.change("nothing", enabled=False)


def test_damaged_state_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with Sandbox(tmp_path) as running, pytest.raises(InputError, match="remove it to start empty"):
        running.resources()
    assert (tmp_path / "state.json").read_text() == "{"


def test_module_serves_until_it_is_terminated(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "--state", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = shlex.split(process.stdout.readline())
            assert words[0] == "export"
            name, value = words[1].split("=", 1)
            assert name == "PULUMI_DEBUG_PROVIDERS"
            port = dict(entry.split(":") for entry in value.split(","))["kong"]
            client = Client("kong", port)
            with client.channel:
                client.create("Service", name="s", protocol="http")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=90) == 0
        finally:
            process.kill()
    assert '"kong:index/service:Service"' in (tmp_path / "state.json").read_text()
    assert os.stat(tmp_path / "state.json").st_size > 0
