"""The exit codes of every command, as `--help` and the documentation have them."""

from __future__ import annotations

from collections.abc import Mapping

EXIT_CODES: Mapping[int, str] = {
    0: "done",
    1: "failed or declined",
    2: "wrong input",
    3: "a rule is broken or something was found",
    4: "no engine or plugin",
    5: "the engine failed",
    6: "something did not answer",
    130: "interrupted",
}
#: After Ctrl-C: 128 and the number of SIGINT, as shells have it.
INTERRUPTED = 130
#: The reader of the output went away: 128 and the number of SIGPIPE.
PIPE_CLOSED = 141


def sentence() -> str:
    """The codes in one sentence."""
    return "Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."
