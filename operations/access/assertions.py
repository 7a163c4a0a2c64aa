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
from model.stacks import EnvironmentStack, ServerStack, environment_of, server_of
from model.suggestions import did_you_mean
from operations.access.explain import Explanation, explanation_of
from operations.access.known_people import is_named, known_addresses
from operations.access.question import AccessQuestion, absence
from operations.access.rehearsal import Rehearsal, rehearsal_of
from operations.access.visitor import Visitor, visitor_of
from operations.project.server_files import model_route

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


async def _run(project: Project, assertions: Sequence[Assertion]) -> list[AssertionResult]:
    problems: list[InputError] = []
    servers = _servers(project, assertions, problems)
    results: dict[int, AssertionResult] = {}
    for stack, server in servers.items():
        async with rehearsal_of(server) as rehearsal:
            for number, assertion in enumerate(assertions):
                if assertion.case.server == stack:
                    try:
                        results[number] = await _result(rehearsal, server, assertion)
                    except InputError as problem:
                        problems.append(assertion.error(problem))
    if problems:
        raise InputErrors(list({str(problem): problem for problem in problems}.values()))
    return [results[number] for number in sorted(results)]


def _servers(project: Project, assertions: Sequence[Assertion], problems: list[InputError]) -> dict[str, ServerStack]:
    """The servers that the assertions name; what is wrong with them or their names goes to `problems`."""
    environments: dict[str, EnvironmentStack] = {}
    servers: dict[str, ServerStack] = {}
    known = [stack for stack in project.stacks() if server_of(stack)]
    for assertion in assertions:
        stack = assertion.case.server
        name = environment_of(stack)
        if stack not in known:
            remedy = did_you_mean(stack, known, none="the project has no server")
            problems.append(assertion.error(InputError(f"there is no server {stack}", key="server", remedy=remedy)))
        elif stack not in servers:
            environment = environments.get(name) or load_environment(project, name)
            environments[name] = environment
            if server_of(stack) in environment.models:
                problems.append(assertion.error(model_route(project, stack)))
                continue
            servers[stack] = environment.servers[server_of(stack)]
    return servers


async def _result(rehearsal: Rehearsal, server: ServerStack, assertion: Assertion) -> AssertionResult:
    case, question = assertion.case, assertion.question
    if (remedy := absence(question, server.lock, rehearsal.policy)) is not None:
        problem = f"the lock of {server.stack} has no {question}, so nobody may use it"
        raise InputError(problem, key=f"{question.kind}s", remedy=remedy)
    if question.kind == "tool" and question.arguments is not None:
        misfit = rehearsal.misfit(question.name, question.arguments)
        if misfit is not None:
            problem = f"do not fit the schema of {question}, so they are refused to everybody: {misfit}"
            raise InputError(problem, key="arguments", remedy="correct them")
    visitor = _visitor(server, case)
    return AssertionResult(assertion, visitor, await explanation_of(rehearsal, server, visitor, question))


def _visitor(server: ServerStack, case: AccessCase) -> Visitor:
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
