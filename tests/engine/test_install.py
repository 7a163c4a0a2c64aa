from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

import engine
from engine import install, locate, plugins
from model.errors import EngineMissing


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGWALL_ENGINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    # Every connection fails at once, whatever network the tests run on.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")


# A stand-in for the Go toolchain: writes an executable where `-o` says, and keeps what it was called with beside the test.
GO_SCRIPT = """
printf '%s\\n' "$@" > "$XDG_CACHE_HOME/../arguments"
cat go.sum > "$XDG_CACHE_HOME/../sum"
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho {version}\\n' > "$2"
"""


def test_engine_that_is_there_is_kept(tmp_path: Path) -> None:
    path = script(tmp_path / "bin/pulumi", "echo v3.256.0")
    lines: list[str] = []
    assert install.install(progress=lines.append) == locate.Engine(path, "3.256.0", "path")
    assert lines == [f"pulumi 3.256.0 is there already: {path}"]


def test_build_is_used_when_the_download_cannot_be_reached(tmp_path: Path) -> None:
    script(tmp_path / "bin/go", GO_SCRIPT.format(version="v3.256.0"))
    lines: list[str] = []
    installed = install.install(progress=lines.append)
    assert installed == locate.Engine(locate.cache_path(), "3.256.0", "cache")
    assert lines[0].startswith("download not possible: ")
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[:4] == ["build", "-mod=readonly", "-trimpath", "-ldflags"]
    assert arguments[4].endswith("sdk/v3/go/common/version.Version=v3.256.0")
    assert arguments[-1] == "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
    assert (tmp_path / "sum").read_text() == (Path(engine.__file__).parent / "go.sum").read_text()
    assert sorted(path.name for path in installed.path.parent.iterdir()) == ["pulumi", "pulumi.sha256"]
    assert locate.verify(installed.path, full=True) is None


def test_new_engine_replaces_one_that_was_changed(tmp_path: Path) -> None:
    script(tmp_path / "bin/go", GO_SCRIPT.format(version="v3.256.0"))
    first = install.install(progress=lambda _: None, method="build")
    first.path.write_text("#!/bin/sh\necho changed\n")
    assert locate.find() is None
    assert install.install(progress=lambda _: None, method="build") == first


def test_neither_download_nor_go_names_both_remedies() -> None:
    with pytest.raises(EngineMissing) as caught:
        install.install(progress=lambda _: None)
    text = str(caught.value)
    assert "no Go toolchain on PATH" in text
    assert "get.pulumi.com" in text
    assert "install pulumi 3.256.0 or newer on PATH" in text
    assert "install Go 1.25 or newer" in text
    assert "\n" not in text


def test_download_alone_does_not_build(tmp_path: Path) -> None:
    script(tmp_path / "bin/go", GO_SCRIPT.format(version="v3.256.0"))
    with pytest.raises(EngineMissing, match=r"get\.pulumi\.com"):
        install.install(progress=lambda _: None, method="download")
    assert not (tmp_path / "arguments").exists()


def test_failed_build_shows_its_last_line_and_installs_nothing(tmp_path: Path) -> None:
    script(tmp_path / "bin/go", "echo first; echo 'checksum mismatch' >&2; exit 1")
    with pytest.raises(EngineMissing, match="go build failed: checksum mismatch"):
        install.install(progress=lambda _: None, method="build")
    assert list(locate.cache_path().parent.iterdir()) == []


def test_build_of_another_version_is_not_installed(tmp_path: Path) -> None:
    script(tmp_path / "bin/go", GO_SCRIPT.format(version="v3.255.0"))
    with pytest.raises(EngineMissing, match=r"says it is 3\.255\.0, not 3\.256\.0"):
        install.install(progress=lambda _: None, method="build")
    assert not locate.cache_path().exists()


def test_named_engine_that_is_wrong_is_not_installed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "bin/go", GO_SCRIPT.format(version="v3.256.0"))
    monkeypatch.setenv("RINGWALL_ENGINE", "/nowhere/pulumi")
    with pytest.raises(EngineMissing, match="correct or unset RINGWALL_ENGINE"):
        install.install(progress=lambda _: None)


def test_module_file_pins_the_version_that_is_looked_for() -> None:
    text = (Path(engine.__file__).parent / "go.mod").read_text()
    assert f"tool {install.MODULE}\n" in text
    assert f"github.com/pulumi/pulumi/pkg/v3 v{locate.PINNED}" in text


def listing(*names: str) -> str:
    items = ", ".join(
        f'{{"name": "{name}", "kind": "resource", "version": "{version(f"pulumi-{name}")}"}}' for name in names
    )
    return f"[{items}]"


def with_plugins(tmp_path: Path, text: str) -> locate.Engine:
    return locate.Engine(script(tmp_path / "own/pulumi", text), "3.256.0", "path")


def test_missing_plugins_are_those_of_the_installed_sdks(tmp_path: Path) -> None:
    engine = with_plugins(tmp_path, f"echo '{listing('kong')}'")
    assert plugins.plugins_missing(engine) == [plugins.ProviderPlugin("cloudflare", version("pulumi-cloudflare"))]


def test_plugin_of_another_version_is_missing(tmp_path: Path) -> None:
    engine = with_plugins(tmp_path, 'echo \'[{"name": "kong", "kind": "resource", "version": "1.0.0"}]\'')
    assert [plugin.name for plugin in plugins.plugins_missing(engine)] == ["cloudflare", "kong"]


def test_plugin_that_cannot_be_fetched_is_one_clear_line(tmp_path: Path) -> None:
    text = 'case "$2" in ls) echo "[]";; *) printf "warning: x\\nerror: no such host\\n" >&2; exit 1;; esac'
    lines: list[str] = []
    with pytest.raises(EngineMissing) as caught:
        plugins.install_plugins(with_plugins(tmp_path, text), lines.append)
    message = str(caught.value)
    assert message.startswith(
        f"the cloudflare {version('pulumi-cloudflare')} provider plugin cannot be fetched: no such host;"
    )
    assert "--file ARCHIVE" in message
    assert "\n" not in message
    assert len(lines) == 1


def test_listing_that_is_no_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="gave no list of plugins"):
        plugins.plugins_missing(with_plugins(tmp_path, "echo '{\"a\": 1}'"))
