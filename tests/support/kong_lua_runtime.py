"""Run the rendered Lua on real LuaJIT, in an environment that holds only what Kong's sandbox gives it.

The PDK is a stand-in with Kong's contract: `kong.response.exit` ends the chunk, header names are lower-case, a repeated
header is a list. `cjson.safe` is backed by Python's json (the last of two equal keys wins in both).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

from lupa.luajit21 import LuaRuntime, lua_type

#: From Kong's own sandbox list: plain Lua that a chunk may touch.
_ALLOWED = {
    "string": ("byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "sub", "upper"),
    "table": ("concat", "insert", "remove", "sort"),
    "math": ("floor", "max", "min"),
}
_GLOBALS = ("assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type", "unpack")

_RUNNER = """
function(source, kong, ngx, modules, allowed, globals, forbid)
  local env = { kong = kong, ngx = ngx }
  for name in python.iter(globals) do env[name] = _G[name] end
  for library in python.iter(allowed) do
    env[library] = {}
    for name in python.iter(allowed[library]) do env[library][name] = _G[library][name] end
  end
  env.require = function(name)
    if not modules[name] then error("require '" .. name .. "' not allowed within sandbox") end
    return modules[name]
  end
  setmetatable(env, { __index = function(_, name) error("sandbox has no " .. tostring(name)) end })
  local exit = {}
  kong.response.exit = function(status, body, headers)
    kong.exited(status, body, headers)
    error(exit)
  end
  local chunk = assert(loadstring(source))
  setfenv(chunk, env)
  local ok, result = pcall(chunk)
  if not ok and result ~= exit then error(result) end
  return ok and result or nil
end
"""


@dataclass
class Outcome:
    """What a chunk did: the answer it gave instead of proxying, or the headers it set for the next plugin."""

    status: int | None = None
    message: str | None = None
    response_headers: dict[str, str] = field(default_factory=dict)
    request_headers: dict[str, Any] = field(default_factory=dict)
    returned: Any = None
    #: Lines of `kong.log.notice`; nginx ends each with the request line.
    notices: list[str] = field(default_factory=list)

    @property
    def principal(self) -> str | None:
        """None unless the request goes on to the jwt plugin with a token to verify."""
        if self.status is not None:
            return None
        return self.request_headers.get("x-ringwall-principal")


@dataclass
class Kong:
    """One request as Kong presents it."""

    headers: dict[str, Any] = field(default_factory=dict)
    method: str = "GET"
    host: str = "github.example.com"
    path: str = "/mcp"
    query: str = ""
    now: int = 1_800_000_000
    cjson: bool = True
    status: int = 200
    response_headers: dict[str, Any] = field(default_factory=dict)
    authenticated: bool = False
    body: str = ""

    def run(self, source: str) -> Outcome:
        lua = LuaRuntime(unpack_returned_tuples=True, encoding="latin-1")
        outcome = Outcome(
            request_headers={name.lower(): value for name, value in self.headers.items()},
            response_headers={name.lower(): value for name, value in self.response_headers.items()},
        )
        null = object()

        def to_lua(value: Any) -> Any:
            if value is None:
                return null
            if isinstance(value, dict):
                table = lua.table()
                for key, one in value.items():
                    table[key] = to_lua(one)
                return table
            if isinstance(value, list):
                table = lua.table()
                for index, one in enumerate(value, 1):
                    table[index] = to_lua(one)
                return table
            if isinstance(value, bool | str):
                return value
            return float(value)

        def decode_json(text: str) -> Any:
            try:
                return to_lua(json.loads(text.encode("latin-1").decode("utf-8")))
            except (ValueError, OverflowError, RecursionError):
                return None

        def decode_base64(text: str) -> str | None:
            try:
                return base64.b64decode(text, validate=True).decode("latin-1")
            except (binascii.Error, ValueError):
                return None

        def exited(status: int, body: Any, headers: Any) -> None:
            outcome.status = int(status)
            outcome.message = body["message"]
            for name, value in headers.items() if headers else ():
                outcome.response_headers[name.lower()] = value

        def first(headers: dict[str, Any], name: str) -> Any:
            value = headers.get(name.lower())
            return value[0] if isinstance(value, list) else value

        def set_header(headers: dict[str, Any], name: str, value: str) -> None:
            headers[name.lower()] = value

        def mapping(value: dict[str, Any]) -> Any:
            return to_lua(value)

        request, response = outcome.request_headers, outcome.response_headers
        kong = mapping({})
        kong["log"] = lua.table(notice=lambda *parts: outcome.notices.append("".join(map(str, parts))))
        kong["exited"] = exited
        kong["client"] = lua.table(get_credential=lambda: lua.table() if self.authenticated else None)
        kong["request"] = lua.table(
            get_headers=lambda limit=100: mapping(dict(list(request.items())[: int(limit)])),
            get_header=lambda name: first(request, name),
            get_host=lambda: self.host,
            get_method=lambda: self.method,
            get_path=lambda: self.path,
            get_scheme=lambda: "http",
            get_raw_query=lambda: self.query,
            # Kong's PDK: a body that nginx wrote to disk is read up to a size, and nil above it.
            get_raw_body=lambda most=0: self.body if len(self.body) <= most else None,
        )
        kong["response"] = lua.table(
            get_status=lambda: self.status,
            get_header=lambda name: first(response, name),
            get_headers=lambda limit=100: mapping(dict(response)),
            set_header=lambda name, value: set_header(response, name, value),
        )
        kong["service"] = lua.table(
            request=lua.table(
                set_header=lambda name, value: set_header(request, name, value),
                clear_header=lambda name: request.pop(name.lower(), None) and None,
            )
        )
        ngx = lua.table(decode_base64=decode_base64, time=lambda: self.now)
        modules = mapping({})
        if self.cjson:
            modules["cjson.safe"] = lua.table(decode=decode_json)
        result = lua.eval(_RUNNER)(source, kong, ngx, modules, _ALLOWED, _GLOBALS, None)
        outcome.returned = to_python(result)
        return outcome


def to_python(value: Any) -> Any:
    if lua_type(value) == "table":
        return {key: to_python(one) for key, one in value.items()}
    return value


def jwt(claims: Any, header: Any = None) -> str:
    """An unsigned token of that shape; texts are used as they are, so that broken JSON can be written."""

    def part(value: Any) -> str:
        raw = value if isinstance(value, str) else json.dumps(value)
        return base64.urlsafe_b64encode(raw.encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'RS256', 'kid': 'k1', 'typ': 'JWT'} if header is None else header)}.{part(claims)}.c2ln"
