"""Every error Ringwall shows a user.

The tree::

    RingwallError            exit 1   anything that stops a command
    ├── InputError           exit 2   a file or an option is wrong; nothing was written
    │   └── NoProject                 neither the folder nor one above it holds a Pulumi.yaml
    ├── PlanRefused          exit 3   the plan breaks an error-level rule; nothing was touched
    ├── EngineMissing        exit 4   no usable Pulumi engine or provider plugin
    ├── EngineFailed         exit 5   the engine ran and reported an error
    │   ├── NoSuchStack               the backend answered, and knows no such stack
    │   ├── SecretsLocked             the passphrase or key that opens the state's secrets is missing or wrong
    │   └── StateMissing              the folder that holds the state is not there
    └── Unreachable          exit 6   a server, gateway or issuer did not answer as it must

A message is one line: what is wrong, where (file and key), what to do.
"""

from __future__ import annotations

from pathlib import Path

from model.text import printable


class RingwallError(Exception):
    """Base of all errors meant for the user; the CLI prints its text on one line and exits with `exit_code`.

    `problem` says what is wrong, `file` and `key` where, `remedy` what to do; together they make the line
    ``stacks/Pulumi.dev.yaml: hosts.0.name: …; …``. Code that needs a part reads the field, never the text. Whoever wrote
    the file may be a stranger, so nothing in it moves a terminal's cursor, and a key makes no second line.
    """

    exit_code = 1

    def __init__(
        self, problem: str, *, file: Path | str | None = None, key: str | None = None, remedy: str | None = None
    ) -> None:
        self.problem = printable(problem)
        self.file = str(file) if file is not None else None
        self.key = None if key is None else printable(key).replace("\n", "<U+000A>")
        self.remedy = None if remedy is None else printable(remedy)
        super().__init__(f"{self.summary}; {self.remedy}" if self.remedy else self.summary)

    @property
    def summary(self) -> str:
        """The line without its remedy: place and problem."""
        file = None if self.file is None else printable(self.file)
        return ": ".join(part for part in (file, self.key, self.problem) if part)

    @property
    def each(self) -> list[RingwallError]:
        """The single problems, each of one line; the error itself unless it holds several."""
        return [self]


class InputError(RingwallError):
    """A file or an option is wrong. Nothing was written."""

    exit_code = 2


class NoProject(InputError):
    """Neither the folder nor one above it holds a Pulumi.yaml."""


class InputErrors(InputError):
    """Several independent problems of one reading, one line each."""

    def __init__(self, problems: list[InputError]) -> None:
        self.problems = problems
        Exception.__init__(self, "\n".join(str(p) for p in problems))
        self.problem, self.file, self.key, self.remedy = problems[0].problem, problems[0].file, None, None

    @property
    def each(self) -> list[RingwallError]:
        return [*self.problems]

    def __reduce__(self) -> tuple[type[InputErrors], tuple[list[InputError]]]:
        return InputErrors, (self.problems,)  # a plan's worker process hands it back


class PlanRefused(RingwallError):
    """The plan breaks an error-level rule (design: plain `pulumi up` refuses the same). Nothing was touched."""

    exit_code = 3


class EngineMissing(RingwallError):
    """No usable Pulumi engine or provider plugin; the message names the command that installs it."""

    exit_code = 4


class EngineFailed(RingwallError):
    """The engine ran and reported an error."""

    exit_code = 5


class NoSuchStack(EngineFailed):
    """The backend answered, and knows no stack of that name. No other error says that something is not deployed."""


class SecretsLocked(EngineFailed):
    """The state's secrets cannot be opened: a passphrase or a key service's key is missing, empty or wrong."""


class StateMissing(EngineFailed):
    """The state folder is not there, so nobody knows what is deployed. Nothing was made in its place."""


class Unreachable(RingwallError):
    """A server, gateway or issuer did not answer, or not as it must."""

    exit_code = 6
