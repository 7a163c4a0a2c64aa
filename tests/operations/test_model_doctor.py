"""`doctor` on the host of a model route: the guard's key must be there, and what a route does not have is said by name."""

from __future__ import annotations

from pathlib import Path

from model.project import load_environment, open_project
from operations.doctor.guard import check, references, secrets
from tests.support.model_routes import ROUTE, write_route_project


def test_a_model_route_is_examined_without_a_lock_and_without_a_server(tmp_path: Path) -> None:
    environment = load_environment(open_project(write_route_project(tmp_path)), "dev")
    rows = {row.id: row for row in check(environment, environment.models["models"], is_local=True)}
    assert rows["server.lock"].status == "skipped"
    assert "no lock" in rows["server.lock"].message
    assert rows["server.reachable"].status == "skipped"
    assert rows["guard.ready"].status == "error"  # nothing runs here


def test_the_guards_key_is_among_the_secrets_of_its_host(tmp_path: Path) -> None:
    key = tmp_path / "guard-key"
    text = ROUTE.replace("/etc/ringwall/dev.models/guard-key", str(key))
    manifest = (
        load_environment(open_project(write_route_project(tmp_path / "p", text)), "dev").models["models"].manifest
    )
    assert [purpose for purpose, _ in references(manifest)] == ["key of the gateway's inner routes"]
    (missing,) = secrets(manifest, "dev.models", {})
    assert missing.status == "error"
    key.write_text("k" * 44)
    key.chmod(0o600)
    (present,) = secrets(manifest, "dev.models", {})
    assert present.status == "ok"
    assert "k" * 44 not in present.message
