"""SIGTERM, as `timeout`, a cancelled pipeline or a service manager sends it: to this process alone, not to its engines."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn


@contextmanager
def as_interrupt() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C on a terminal does: engines finish what they have begun, and folders are removed."""
    try:
        before = signal.signal(signal.SIGTERM, _interrupt)
    except ValueError:  # in a thread, which no signal reaches
        yield
        return
    try:
        yield
    finally:
        with suppress(ValueError, TypeError):
            signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    interrupt_engines()
    raise KeyboardInterrupt


def interrupt_engines() -> None:
    """Send SIGINT to every engine below this process, as a terminal does; a second one makes them stop at once."""
    import psutil  # 0.05 s, which commands that nobody ends need not spend

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if child.name() == "pulumi":
                child.send_signal(signal.SIGINT)
