"""Numbers as Kong's Lua reads and writes them, by asking LuaJIT itself."""

from __future__ import annotations

import threading

from lupa.luajit21 import LuaRuntime

_LUA = LuaRuntime(encoding="latin-1")
_LOCK = threading.Lock()
_TO_NUMBER = _LUA.eval("tonumber")
_TO_STRING = _LUA.eval("tostring")


def to_number(text: str) -> float | None:
    """`tonumber(text)`: decimals, hexadecimals and spaces around are numbers, anything else is nil."""
    with _LOCK:
        found = _TO_NUMBER(text)
    return None if found is None else float(found)


def to_text(number: float) -> str:
    """`tostring(number)`: a whole number has no point."""
    with _LOCK:
        return str(_TO_STRING(float(number)))
