"""Install the pinned Pulumi engine into the user's cache: the official download, or a Go build."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from engine.download import DownloadFailed, ReleaseMismatch, download
from engine.locate import PINNED, VARIABLE, Engine, cache_path, explain, find, supported, version_of, write_checksum
from model.errors import EngineMissing
from model.private_folder import make_private

Progress = Callable[[str], None]
Method = Literal["auto", "download", "build"]

MODULE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_SYMBOL = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
BUILD_LIMIT = 45 * 60
_TICK = 5.0
#: Seconds that an interrupted build gets to end.
_PATIENCE = 10.0


def install(*, progress: Progress, method: Method = "auto") -> Engine:
    """Return a usable engine; install one if there is none.

    `progress` receives one line at a time. ``auto`` downloads, and builds where the download cannot be reached. A
    download whose checksum is wrong is never replaced by a build in silence: that is an error. Raises `EngineMissing`.
    """
    present = find()
    if present is not None:
        progress(f"pulumi {present.version} is there already: {present.path}")
        return present
    if os.environ.get(VARIABLE):
        raise EngineMissing(explain()[0].reason, remedy=f"correct or unset {VARIABLE}")
    target = cache_path()
    make_private(target.parent)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".install-") as scratch:
        executable = Path(scratch) / "pulumi"
        _make(executable, Path(scratch), progress, method)
        _settle(executable, target)
    installed = find()
    if installed is None:
        reasons = "; ".join(candidate.reason for candidate in explain())
        raise EngineMissing(f"the engine was installed but is not usable ({reasons})")
    progress(f"installed pulumi {installed.version}: {installed.path}")
    return installed


def _make(executable: Path, scratch: Path, progress: Progress, method: Method) -> None:
    unreachable = ""
    if method in ("auto", "download"):
        try:
            download(executable, platform.system(), platform.machine(), progress)
            return
        except ReleaseMismatch as error:
            raise EngineMissing(str(error), remedy="nothing was installed, try again or use --method build") from error
        except DownloadFailed as error:
            unreachable = str(error)
            progress(f"download not possible: {error}")
            if method == "download":
                raise EngineMissing(str(error), remedy=_remedies()) from error
    build(executable, scratch, progress, because=unreachable)


def build(executable: Path, scratch: Path, progress: Progress, *, because: str = "") -> None:
    """Build the pinned module into `made`. The packaged go.sum fixes what is built (``-mod=readonly``)."""
    toolchain = shutil.which("go")
    if toolchain is None:
        missing = "no Go toolchain on PATH"
        raise EngineMissing("; ".join(part for part in (because, missing) if part), remedy=_remedies())
    source = scratch / "src"
    source.mkdir()
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(Path(__file__).parent / name, source / name)
    log = scratch / "build.log"
    progress(f"building pulumi {PINNED} with {toolchain}: about four minutes on two cores, less with a warm cache")
    started = time.monotonic()
    command = [toolchain, "build", "-mod=readonly", "-trimpath", "-ldflags", f"-s -w -X {VERSION_SYMBOL}=v{PINNED}"]
    # GOFLAGS from outside could undo -mod=readonly, and GOWORK=off keeps a workspace above the cache folder out of it.
    environment = {**os.environ, "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-o", str(executable), MODULE],
            cwd=source,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            while True:
                try:
                    code = process.wait(timeout=_TICK)
                    break
                except subprocess.TimeoutExpired:
                    elapsed = int(time.monotonic() - started)
                    progress(f"building… {elapsed // 60} min {elapsed % 60:02d} s")
                    if elapsed > BUILD_LIMIT:
                        raise EngineMissing(
                            f"the build took over {BUILD_LIMIT // 60} minutes", remedy=_remedies()
                        ) from None
        finally:
            _end(process)
    if code != 0:
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise EngineMissing(f"go build failed: {tail[0][:300]}", remedy=_remedies())


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a build that is still running; on SIGINT Go ends its compilers and removes its working folder."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _settle(executable: Path, target: Path) -> None:
    """Check the new executable and move it into place, its checksum record first: no stale record ever vouches for it."""
    executable.chmod(0o755)
    version = version_of(executable)
    if version is None or not supported(version) or version != PINNED:
        raise EngineMissing(
            f"the new engine says it is {version or 'no version at all'}, not {PINNED}", remedy="nothing was installed"
        )
    write_checksum(executable)
    executable.with_name("pulumi.sha256").replace(target.with_name("pulumi.sha256"))
    executable.replace(target)


def _remedies() -> str:
    return (
        f"either install pulumi {PINNED} or newer on PATH (https://www.pulumi.com/docs/iac/download-install/), "
        "or install Go 1.25 or newer with a reachable module proxy and run `ringwall engine install` again"
    )
