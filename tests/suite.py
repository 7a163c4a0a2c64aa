"""`make test`: every test, and alone, three times, those few that failed beside the others.

    .venv/bin/python tests/suite.py [arguments for pytest]

Thousands of tests share a machine's processors, and many of them start processes. A test that fails among the others and
passes three times alone is unsteady: that is a fault to mend, of the test or of the product, so the last lines name it and
show what failed. It does not hold a change back that has nothing to do with it. More than `MOST` failures, or an end that
is no failed test (a file that cannot be read, an interrupt), are never tried again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
BESIDE = ("-n", "3", "--dist", "worksteal", "--cache-clear")
MOST = 3
TIMES = 3
#: What pytest ends with when every test was run and some failed.
TESTS_FAILED = 1


def pytest(*arguments: str) -> int:
    """Run pytest with the arguments from the repository's root; its exit code."""
    program = Path(sys.executable).with_name("pytest")
    return subprocess.run([program, *arguments], cwd=ROOT, check=False).returncode


def unsteady(tests: list[str]) -> bool:
    """Whether all of the tests pass alone, `TIMES` times in a row, each in a process of its own."""
    return all(pytest("-q", "--no-header", "-p", "no:cacheprovider", test) == 0 for _ in range(TIMES) for test in tests)


def main(arguments: list[str]) -> int:
    """Exit code: 0 when every test passed, among the others or three times alone."""
    code = pytest(*BESIDE, *arguments)
    if code != TESTS_FAILED:
        return code
    tests = sorted(json.loads(FAILED.read_text(encoding="utf-8"))) if FAILED.exists() else []
    if not 0 < len(tests) <= MOST:
        return code
    print(f"failed beside the others, and now run alone {TIMES} times: {', '.join(tests)}", flush=True)
    if not unsteady(tests):
        return code
    print("UNSTEADY, to be mended; failed beside the others (above) and passed alone:", *tests, sep="\n  ", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
