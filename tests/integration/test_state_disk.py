"""On a disk that really fills up, and one that really is read-only, nothing is lost and one line says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine
NAMESPACE = ["unshare", "--map-root-user", "--mount"]
SCRIPT = Path(__file__).parents[1] / "support" / "state_mount.py"


@pytest.mark.rare
@pytest.mark.timeout(1800)
def test_a_full_and_a_read_only_disk_are_a_line_each_and_nothing_is_lost(tmp_path: Path) -> None:
    try:
        subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here, so this did not run: {error}")
    done = subprocess.run(
        [*NAMESPACE, sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
