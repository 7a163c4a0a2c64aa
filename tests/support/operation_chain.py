"""A command that meets a fault and is given again: one operation alone, or a chain of every operation in turn.

In a chain each run meets a fault at an operation that has met none yet. So each run but the first also has to go on from
what the one before left, and the last, which meets none, has to make all of it whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import Fault
from sandbox.faults import Faults
from tests.support.fault_kinds import FaultKind
from tests.support.interrupted import Stage
from tests.support.operation_cases import Case, assert_arrived, change

#: How the stand-in of Access begins every client secret, as Cloudflare does.
SECRET = b"cfast_"
WHOLE = "whole"


class FirstFault(Faults):
    """Of the faults in force only the one that is met first."""

    _met: Fault | None = None

    def clear(self) -> None:
        super().clear()
        self._met = None

    def due(self, operation: str, type_: str, name: str = "", extra: list[Fault] | None = None) -> list[Fault]:
        with self._lock:
            faults = super().due(operation, type_, name, extra) if self._met is None else []
            self._met = faults[0] if faults else self._met
            return faults


@dataclass
class Trials:
    """One project at which commands meet faults; `folder` has the kept states, `wanted` what stands in each."""

    stage: Stage
    folder: Path
    wanted: Mapping[str, Counter[str]]

    def alone(self, case: Case, kind: FaultKind) -> str:
        """The outcome of one operation, the only one that meets a fault, in a word or a sentence."""
        met, outcome = self._chain([case], kind)
        return outcome if met or outcome != WHOLE else "not met"

    def of_command(self, cases: Sequence[Case], kind: FaultKind) -> dict[Case, str]:
        """The outcome of each operation of a command, all of which start from the same state: a chain, and alone those
        that it did not meet, or all where it ends badly."""
        met, outcome = self._chain(cases, kind)
        known = dict.fromkeys(met, WHOLE) if outcome == WHOLE else {}
        if outcome != WHOLE:
            print(f"{cases[0].line}, {kind.name}: the chain ended badly: {outcome}", flush=True)
        return known | {case: self.alone(case, kind) for case in cases if case not in known}

    def _chain(self, cases: Sequence[Case], kind: FaultKind) -> tuple[list[Case], str]:
        """The operations that met a fault, and what came of it in the end."""
        first, left, met = cases[0], {kind.at(case): case for case in cases}, []
        self.stage.go_back(self.folder / first.start)
        if first.changed:
            change(self.stage)
        try:
            while left and (faults := self._disturb(list(left), first, kind)):
                met += [left.pop(fault) for fault in faults]
            said = self.stage.run(*first.command, "--yes")
            assert SECRET.decode() not in said.stdout + said.stderr
            assert_arrived(self.stage, first, self.wanted)
            assert secrets_in_clear(self.stage) == []
        except AssertionError as error:
            return met, f"FAILED: {' '.join(str(error).split())[:2000]}"
        finally:
            self.stage.sandbox.faults.clear()
            if first.changed:
                change(self.stage, back=True)
        return met, WHOLE

    def _disturb(self, faults: Sequence[Fault], case: Case, kind: FaultKind) -> list[Fault]:
        """Give the command once; the faults that it met."""
        if kind.kills:
            return self.stage.kill_in(faults, *case.command, "--yes")
        met, said = self.stage.fail_in(faults, *case.command, "--yes")
        assert SECRET.decode() not in said.stdout + said.stderr
        return met


def secrets_in_clear(stage: Stage) -> list[Path]:
    """Files of the project, its state and its backups that hold a client secret."""
    return [path for path in stage.root.rglob("*") if path.is_file() and SECRET in path.read_bytes()]
