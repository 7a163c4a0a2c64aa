"""Run a Pulumi program offline and return what it declares.

The unmodified program runs inside this process against a recording monitor (`plan.monitor`): no engine, provider,
network, passphrase or credential. It still *is* the program: code of an untrusted change needs a sandbox around it.
The result is desired state, not a difference against the cloud.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from inspect import isawaitable
from pathlib import Path
from typing import Any, Final, cast

import pulumi.runtime
from pulumi.runtime import config as pulumi_config
from pulumi.runtime.settings import SETTINGS

from model.errors import RingwallError
from plan import shortcuts
from plan.graph import Graph
from plan.loop import WORKERS, PlanLoop
from plan.monitor import RecordingEngine, RecordingMonitor

#: Importing a provider SDK without bytecode takes 12 s here; a stack itself takes 10 ms.
DEADLINE_SECONDS: Final = 120.0
#: What a program blocked outside the event loop gets beyond the deadline before its thread is given up.
_GRACE_SECONDS: Final = 2.0
#: Longest wait of `_settle`, and no more than this part of a deadline: whatever hangs is left for the deadline to end.
_SETTLE_SECONDS: Final = 1.0
_SETTLE_PART: Final = 0.25


class _SealedConfig(dict[str, str | None]):
    """Configuration that claims every key.

    The SDK looks a missing key up in PULUMI_CONFIG and PULUMI_CONFIG_<KEY>; below `pulumi up` those hold the outer
    program's configuration, and on a developer's machine anything.
    """

    def __contains__(self, _: object) -> bool:
        return True

    def __missing__(self, _: str) -> None:
        return None


def record(
    program: Callable[[], object],
    *,
    project: str,
    stack: str,
    config: Mapping[str, str] = {},
    secret_keys: Collection[str] = (),
    organization: str = "organization",
    root_directory: Path | None = None,
    stack_outputs: Mapping[str, Mapping[str, object]] = {},
    symbolic: bool = True,
    timeout: float = DEADLINE_SECONDS,
) -> Graph:
    """Run `program` as the Pulumi program of one stack and return its graph.

    It has a thread, an event loop and a Pulumi runtime of its own, so it may be called from anywhere, also inside
    another Pulumi program, whose runtime stays as it was.

    Args:
        program: a function, plain or async, that declares resources; not called at import.
        config: full keys (``ringwall:server``) to values as in the stack file, objects as JSON text. Nothing else is
            read: no stack file, no environment variable.
        secret_keys: the keys of `config` that are secret.
        root_directory: what `pulumi.get_root_directory()` answers; source places are given relative to it and left
            out without it.
        stack_outputs: outputs of other stacks by full name (``organization/ringwall/dev``), for stack references;
            the `outputs` of a recorded graph fit as they are.
        symbolic: name ids and computed strings (``${github-tunnel.id}``) so that values built on them stay readable.
            Without it they are unknown, as in an engine's preview.
        timeout: seconds until a program that does not end is given up.

    Raises:
        RingwallError: duplicate URNs, remote components, provider calls, unplanned stack references, failed
            transforms, a program that does not end. What the program raises, in an `apply` too, comes out unchanged.
    """
    monitor = RecordingMonitor(
        project=project,
        stack=stack,
        root=root_directory,
        stack_outputs=stack_outputs,
        symbolic=symbolic,
        timeout=timeout,
    )
    failures: list[BaseException] = []

    def work() -> None:
        try:
            shortcuts.use()
            pulumi.runtime.configure(
                pulumi.runtime.Settings(
                    project=project,
                    stack=stack,
                    monitor=monitor,
                    engine=RecordingEngine(),
                    parallel=WORKERS,
                    dry_run=True,
                    legacy_apply_enabled=False,
                    organization=organization,
                    root_directory=str(root_directory or Path.cwd()),
                )
            )
            pulumi.runtime.set_all_config({}, list(secret_keys))
            pulumi_config.CONFIG.set(_SealedConfig(config))
            _run(program, timeout)
        except BaseException as failure:  # handed to the calling thread below: nothing is lost
            failures.append(failure)

    # A fresh context, not a copy: the outer program's root resource, settings and configuration are not in it.
    context = contextvars.Context()
    thread = threading.Thread(target=context.run, args=(work,), name=f"plan {stack}", daemon=True)
    with _collector_paused():
        thread.start()
        thread.join(timeout + _GRACE_SECONDS)
    if thread.is_alive():
        raise _never_ended(stack, timeout)
    monitor.close()
    for failure in failures:
        if isinstance(failure, _DeadlineError):
            raise _never_ended(stack, timeout) from failure
        raise failure
    return monitor.graph()


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """A plan makes few objects that the collector could free, and each of its runs walks all that the SDKs hold."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _DeadlineError(Exception):
    """The event loop was still waiting when the time was up."""


def _run(program: Callable[[], object], timeout: float) -> None:
    stray: list[BaseException] = []

    async def declared() -> None:
        result = program()
        if isawaitable(result):
            await result
        await _settle(min(_SETTLE_SECONDS, timeout * _SETTLE_PART))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        # A failure reaches many futures and is raised once; what is left over must not be printed for each of them.
        loop.set_exception_handler(lambda _, report: stray.extend(_exception(report)))
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                await pulumi.runtime.run_in_stack(cast(Any, declared))
        except TimeoutError as error:
            if deadline.expired():
                raise _DeadlineError from error
            raise

    with asyncio.Runner(loop_factory=PlanLoop) as runner:
        runner.run(main())
    if stray:  # the program itself ended well, but a task it started and forgot did not
        raise stray[0]


async def _settle(timeout: float) -> None:
    """Wait for the registrations and outputs of a program, or until one of them fails, which the SDK then raises.

    The SDK itself waits for one output at a time and sorts all others anew after each, a sixth of a plan's time (25
    resources, some 200 outputs: 62 ms of processor time a server with its waiting alone, 52 ms with this).
    """
    end = asyncio.get_running_loop().time() + timeout
    while (remaining := end - asyncio.get_running_loop().time()) > 0:
        with SETTINGS.lock:
            tasks = [*SETTINGS.rpc_manager.rpcs, *SETTINGS.outputs]
        waiting = [task for task in tasks if not task.done()]
        if not waiting:
            return
        finished, _ = await asyncio.wait(waiting, timeout=remaining, return_when=asyncio.FIRST_EXCEPTION)
        if any(task.cancelled() or task.exception() is not None for task in finished):
            return


def _exception(report: Mapping[str, Any]) -> list[BaseException]:
    return [error] if (error := report.get("exception")) is not None else []


def _never_ended(stack: str, timeout: float) -> RingwallError:
    return RingwallError(
        f"the program of stack {stack} did not end within {timeout:g} s: an output that never resolves, or a blocked "
        "call",
        remedy="look for an awaited value that nothing sets",
    )
