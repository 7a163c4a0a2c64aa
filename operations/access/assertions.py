"""Runs the access tests of a project's `tests/` folder: who may and may never use what, by the files as they are. Offline.

An assertion that cannot mean what it says is an error and no result: a mistyped tool would otherwise never be callable, and
so pass as `may_never`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model.access_tests import AccessCase, AccessTests
from model.base import validate
from model.errors import InputError, InputErrors
from model.loader import Document, KeyPath, read
from model.project import Project, load_environment
from model.stacks import EnvironmentStack, PerimeterStack, environment_of, server_of
from model.suggestions import did_you_mean
from operations.access.explain import Explanation, explanation_of
from operations.access.guards import AnyRehearsal, guard_of
from operations.access.known_people import is_named, known_addresses
from operations.access.model_rehearsal import ModelRehearsal
from operations.access.question import AccessQuestion
from operations.access.refusals import absence_words
from operations.access.rehearsal import Rehearsal
from operations.access.visitor import Visitor, visitor_of

FOLDER = "tests"
SUFFIX = ".access.yaml"
Expectation = Literal["may", "may_never"]


@dataclass(frozen=True)
class Assertion:
    """One assertion of a file, ready to be asked."""

    document: Document
    path: KeyPath
    expectation: Expectation
    case: AccessCase
    question: AccessQuestion

    def error(self, problem: InputError) -> InputError:
        """A problem of this assertion, at the key that it is about."""
        path = (*self.path, problem.key) if problem.key else self.path
        return self.document.error(path, problem.problem, problem.remedy)


@dataclass(frozen=True)
class AssertionResult:
    """What an assertion came to. `explanation` says which ring refuses, or what lets pass."""

    assertion: Assertion
    visitor: Visitor
    explanation: Explanation

    @property
    def passed(self) -> bool:
        return self.explanation.allowed is (self.assertion.expectation == "may")

    def as_json(self, root: Path) -> dict[str, Any]:
        assertion, document = self.assertion, self.assertion.document
        return {
            **self.explanation.as_json(root),
            "file": document.file.relative_to(root).as_posix(),
            "line": document.line(assertion.path),
            "expectation": assertion.expectation,
            "reason": assertion.case.reason,
            "passed": self.passed,
        }


def run_assertions(project: Project, stacks: Sequence[str]) -> list[AssertionResult]:
    """Every assertion about the named environments and servers; about all where none is named.

    Raises:
        InputErrors: a file is wrong, or an assertion names what there is not; one line each.
        InputError: there is nothing to run.
    """
    assertions = list(_read(project))
    for stack in stacks:
        if stack not in project.stacks():
            raise project.unknown(stack)
    chosen = [item for item in assertions if not stacks or _concerns(item.case.server, stacks)]
    if not chosen:
        named = f" about {' or '.join(stacks)}" if stacks else ""
        raise InputError(
            f"there is no access test{named}",
            file=project.root / FOLDER,
            remedy=f"write {FOLDER}/NAME{SUFFIX}; its format: `ringwall schema access-test`",
        )
    return asyncio.run(_run(project, chosen))


def _concerns(server: str, stacks: Sequence[str]) -> bool:
    return server in stacks or environment_of(server) in stacks


def _read(project: Project) -> Iterator[Assertion]:
    problems: list[InputError] = []
    for file in sorted((project.root / FOLDER).rglob(f"*{SUFFIX}")):
        try:
            document = read(file)
            tests = validate(AccessTests, document.value, document, ())
        except InputErrors as error:
            problems += error.problems
        except InputError as error:
            problems.append(error)
        else:
            yield from _assertions(document, "may", tests.may)
            yield from _assertions(document, "may_never", tests.may_never)
    if problems:
        raise InputErrors(problems)


def _assertions(document: Document, expectation: Expectation, cases: Sequence[AccessCase]) -> Iterator[Assertion]:
    for number, case in enumerate(cases):
        path: KeyPath = (expectation, number)
        for tool in case.tools:
            yield Assertion(document, path, expectation, case, AccessQuestion("tool", tool, case.arguments))
        for prompt in case.prompts:
            yield Assertion(document, path, expectation, case, AccessQuestion("prompt", prompt, case.arguments))
        for resource in case.resources:
            yield Assertion(document, path, expectation, case, AccessQuestion("resource", resource))
        for model in case.models:
            yield Assertion(document, path, expectation, case, AccessQuestion("model", model, case.arguments))


async def _run(project: Project, assertions: Sequence[Assertion]) -> list[AssertionResult]:
    problems: list[InputError] = []
    stacks = _stacks(project, assertions, problems)
    results: dict[int, AssertionResult] = {}
    for name, stack in stacks.items():
        async with guard_of(stack) as rehearsal:
            for number, assertion in enumerate(assertions):
                if assertion.case.server == name:
                    try:
                        results[number] = await _result(rehearsal, assertion)
                    except InputError as problem:
                        problems.append(assertion.error(problem))
    if problems:
        raise InputErrors(list({str(problem): problem for problem in problems}.values()))
    return [results[number] for number in sorted(results)]


def _stacks(project: Project, assertions: Sequence[Assertion], problems: list[InputError]) -> dict[str, PerimeterStack]:
    """The servers and model routes that the assertions name; what is wrong with their names goes to `problems`."""
    environments: dict[str, EnvironmentStack] = {}
    stacks: dict[str, PerimeterStack] = {}
    known = [stack for stack in project.stacks() if server_of(stack)]
    for assertion in assertions:
        stack = assertion.case.server
        name = environment_of(stack)
        if stack not in known:
            remedy = did_you_mean(stack, known, none="the project has no server")
            problems.append(assertion.error(InputError(f"there is no server {stack}", key="server", remedy=remedy)))
        elif stack not in stacks:
            environment = environments.get(name) or load_environment(project, name)
            environments[name] = environment
            stacks[stack] = next(member for member in environment.perimeters if member.stack == stack)
    return stacks


async def _result(rehearsal: AnyRehearsal, assertion: Assertion) -> AssertionResult:
    case, question, stack = assertion.case, assertion.question, rehearsal.stack
    of_model = isinstance(rehearsal, ModelRehearsal)
    if of_model is not (question.kind == "model"):
        kind, section = ("a model route", "models") if of_model else ("a server", "tools, prompts or resources")
        raise InputError(f"{stack.stack} is {kind}", key=f"{question.kind}s", remedy=f"give {section}")
    if (remedy := rehearsal.absence(question)) is not None:
        raise InputError(absence_words(stack, question), key=f"{question.kind}s", remedy=remedy)
    if isinstance(rehearsal, Rehearsal) and question.kind == "tool" and question.arguments is not None:
        misfit = rehearsal.misfit(question.name, question.arguments)
        if misfit is not None:
            problem = f"do not fit the schema of {question}, so they are refused to everybody: {misfit}"
            raise InputError(problem, key="arguments", remedy="correct them")
    visitor = _visitor(stack, case)
    return AssertionResult(assertion, visitor, await explanation_of(rehearsal, visitor, question))


def _visitor(server: PerimeterStack, case: AccessCase) -> Visitor:
    outside = case.principal.startswith("outsider:")
    text = case.principal.replace("outsider:", "person:", 1) if outside else case.principal
    visitor = visitor_of(
        text,
        server.settings,
        groups=case.groups,
        through=case.through,
        country=case.country,
        address=case.address,
    )
    if visitor.kind == "person":
        named = is_named(visitor.name, server.environment)
        if outside and (named or visitor.groups):
            raise InputError(
                f"{visitor.name} is no outsider: the files name it",
                key="principal",
                remedy=f"write person:{visitor.name}",
            )
        if not outside and not named and not visitor.groups:
            nearest = did_you_mean(visitor.name, known_addresses(server.environment), none="no file names an address")
            raise InputError(
                f"no file of {server.environment.name} names {visitor.name} or its domain",
                key="principal",
                remedy=f"{nearest}; for somebody whom no file names write outsider:{visitor.name}",
            )
    return visitor
