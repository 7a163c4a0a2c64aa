"""The Lua that Kong runs for Ringwall: the identity check, the challenge on a 401, and what log lines may hold.

It runs in Kong's sandbox: the PDK, `ngx` basics and `cjson.safe`, which kong.conf must name in
`untrusted_lua_sandbox_requires` (without it every request is a 500, which is closed, not open).

What the identity check is for. Kong's jwt plugin verifies signature and `exp` and nothing else: run on 3.9.3, tokens of
another application and of another registered issuer got 200, a payload `kid` overrode the header's, of two headers the
first counted, `exp: 1e18` was a time, and string matching took a nested claim for the principal. Told to verify `nbf` it
refuses every token without one, and Access gives service tokens none. So this code decides issuer, audience, times and
principal from parsed JSON, hands that very token to the jwt plugin as `x-ringwall-assertion`, and jwt then decides
whether the token is genuine. Neither is enough alone; `acl` binds the key to the issuer.

The chunk is executed whole on every request, on purpose: Kong lets a chunk return a function to be called from then on,
but a first run that fails leaves Kong calling the outer chunk only, and then nothing is checked any more (read in
Kong's pre-function handler).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.gateway.names import (
    ASSERTION_HEADER,
    HEADER_PREFIX,
    PRINCIPAL_HEADER,
    REMAINING_HEADER,
    REQUEST_ID_HEADER,
)
from model.tokens import CLOCK_LEEWAY, LATEST_MOMENT, REFUSED_HEADERS, TYPES

#: Kong and its plugins look at a request's first 100 headers only (`lua_max_req_headers`). A client that sent more
#: could push `x-ringwall-principal` out of rate-limiting's sight; the rest is room for what Kong itself adds.
MAX_HEADERS = 80
#: Bytes of one token; nginx takes 8 KiB for a header line.
MAX_TOKEN = 8000

#: The only request and response headers that reach a log. `mcp-session-id` is absent: who knows it has the session.
LOGGED_REQUEST_HEADERS = (
    "accept",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-ray",
    "content-length",
    "content-type",
    "host",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "origin",
    "traceparent",
    "user-agent",
    REQUEST_ID_HEADER,
)
LOGGED_RESPONSE_HEADERS = (
    "content-length",
    "content-type",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "www-authenticate",
    "x-kong-proxy-latency",
    "x-kong-upstream-latency",
    "x-ratelimit-remaining-tokens",
)


def lua_string(value: str) -> str:
    """`value` as a Lua string literal: anything but plain printable ASCII becomes a decimal byte escape, so no value
    can end the literal, whatever a stack file or Cloudflare puts in it."""
    safe = (chr(byte) if 32 <= byte < 127 and byte not in b"\"'\\[]" else f"\\{byte:03d}" for byte in value.encode())
    return '"' + "".join(safe) + '"'


def lua_set(names: Sequence[str]) -> str:
    """The names as a table in which each is true."""
    return "{ " + ", ".join(f"[{lua_string(name)}] = true" for name in names) + " }"


def _lua_list(names: Sequence[str]) -> str:
    return "{ " + ", ".join(map(lua_string, names)) + " }"


@dataclass(frozen=True)
class BearerCheck:
    """`oauth: external`: which access token names the principal."""

    issuer: str
    audience: str
    scopes: tuple[str, ...]
    #: RFC 9728 document that every challenge points to.
    metadata_url: str
    #: Its tokens are no JWTs, and the issuer is asked about each.
    opaque: bool = False

    def challenge(self, error: str | None = None) -> str:
        """WWW-Authenticate value (RFC 6750 section 3, RFC 9728 section 5.1)."""
        parts = [f'error="{error}"'] if error else []
        if self.scopes:
            parts.append(f'scope="{" ".join(self.scopes)}"')
        parts.append(f'resource_metadata="{self.metadata_url}"')
        return "Bearer " + ", ".join(parts)


_HEADERS = """\
local cjson = require("cjson.safe")

local function refuse(status, reason, challenge)
  kong.log.notice("ringwall refused the request: ", reason)
  return kong.response.exit(status, { message = reason }, challenge and { ["WWW-Authenticate"] = challenge } or nil)
end

-- Before anything can refuse, so that no log line shows a name the client made up.
for _, name in ipairs(@OWN@) do
  kong.service.request.clear_header(name)
end
-- First and without a log line: nginx puts the request line, query string and all, at the end of each of them.
if (kong.request.get_raw_query() or "") ~= "" then
  return kong.response.exit(400, { message = "a query string is not accepted" })
end
local headers = kong.request.get_headers(1000)
local count, own, disguised = 0, {}, false
for name, value in pairs(headers) do
  count = count + (type(value) == "table" and #value or 1)
  local lower = string.lower(name)
  local canonical = string.gsub(lower, "_", "-")
  if string.sub(canonical, 1, @PREFIX_LENGTH@) == @PREFIX@ then
    own[#own + 1] = name
  elseif canonical ~= lower and (string.sub(canonical, 1, 3) == "cf-" or canonical == "authorization") then
    disguised = true
  end
end
for _, name in ipairs(own) do
  kong.service.request.clear_header(name)
end
if count > @MAX_HEADERS@ then return refuse(431, "too many headers") end
if disguised then return refuse(400, "a header name is ambiguous") end

if headers["upgrade"] ~= nil then return refuse(400, "Upgrade is not accepted") end
if headers["transfer-encoding"] ~= nil then return refuse(411, "Content-Length is required") end
local method, length = kong.request.get_method(), headers["content-length"]
if method == "POST" then
  if type(length) ~= "string" or not string.find(length, "^[0-9]+$") then
    return refuse(411, "Content-Length is required")
  end
elseif length ~= nil and length ~= "0" then
  return refuse(400, "a body is not accepted")
end
"""

_PREFLIGHT = """\
-- A preflight carries no credentials; the cors plugin answers it itself, by these same three conditions.
if method == "OPTIONS" and headers["origin"] ~= nil and headers["access-control-request-method"] ~= nil then
  return
end
"""

_TOKENS = """\
if method ~= "POST" and method ~= "GET" and method ~= "DELETE" then return refuse(405, "method is not accepted") end

local function decode(text)
  local rest = #text % 4
  if rest == 1 then return nil end
  if rest > 0 then text = text .. string.rep("=", 4 - rest) end
  text = string.gsub(text, "%-", "+")
  text = string.gsub(text, "_", "/")
  local bytes = ngx.decode_base64(text)
  if type(bytes) ~= "string" then return nil end
  local value = cjson.decode(bytes)
  if type(value) ~= "table" then return nil end
  return value
end

-- A JSON number that can be a moment; the jwt plugin takes `exp: 1e18`.
local function is_moment(value)
  return type(value) == "number" and value >= 0 and value < @LATEST@
end

-- Claims of a well-formed RS256 JWT within its time; nil otherwise. The signature is not verified here.
local function claims_of(token)
  if type(token) ~= "string" or #token > @MAX_TOKEN@ then return nil end
  local first, second = string.match(token, "^([A-Za-z0-9_%-]+)%.([A-Za-z0-9_%-]+)%.[A-Za-z0-9_%-]+$")
  if not first then return nil end
  local header, claims = decode(first), decode(second)
  if not header or not claims then return nil end
  if header.alg ~= "RS256" then return nil end
  for _, name in ipairs(@REFUSED_HEADERS@) do
    if header[name] ~= nil then return nil end
  end
  if header.typ ~= nil and not (type(header.typ) == "string" and (@TYPES@)[string.lower(header.typ)]) then return nil end
  if type(header.kid) ~= "string" or header.kid == "" then return nil end
  -- The jwt plugin would prefer it to the header's.
  if claims.kid ~= nil then return nil end
  local now = ngx.time()
  if not is_moment(claims.exp) or claims.exp <= now then return nil end
  if not is_moment(claims.iat) or claims.iat > now + @LEEWAY@ or claims.exp <= claims.iat then return nil end
  -- Not every issuer writes it; Access does for people only.
  if claims.nbf ~= nil and not (is_moment(claims.nbf) and claims.nbf <= now + @LEEWAY@) then return nil end
  return claims
end

local function names(claims, audience)
  if type(claims.aud) == "string" then return claims.aud == audience end
  if type(claims.aud) ~= "table" then return false end
  for _, one in ipairs(claims.aud) do
    if one == audience then return true end
  end
  return false
end

-- Visible ASCII: the name becomes a header, a log field and a counter's key.
local function is_name(value)
  return type(value) == "string" and #value <= 255 and string.find(value, "^[!-~]+$") ~= nil
end

local audiences = @AUDIENCES@
local audience = audiences[string.lower(kong.request.get_host() or "")]
if not audience then return refuse(421, "unknown host") end

local assertion = headers["cf-access-jwt-assertion"]
if type(assertion) ~= "string" then return refuse(401, "exactly one Access assertion is required", @CHALLENGE@) end
local access = claims_of(assertion)
-- `org` is the global session token: whoever has it is signed in somewhere, not admitted here.
if not access or access.iss ~= @ACCESS_ISSUER@ or access.type ~= "app" or not names(access, audience) then
  return refuse(401, "the Access assertion is not for this server", @CHALLENGE@)
end
for _, other in pairs(audiences) do
  if other ~= audience and names(access, other) then
    return refuse(401, "the Access assertion is for two of this server's names", @CHALLENGE@)
  end
end
local admitted
local person = type(access.email) == "string" and access.email ~= "" and access.nbf ~= nil
if is_name(access.sub) and access.common_name == nil and person then
  admitted = "person:" .. access.sub
elseif is_name(access.common_name) and (access.sub == nil or access.sub == "") and access.email == nil then
  admitted = "agent:" .. access.common_name
else
  return refuse(401, "the Access assertion names no one principal", @CHALLENGE@)
end
"""

_ACCESS = """\
local principal, token = admitted, assertion
"""

_EXTERNAL = """\
local authorization = headers["authorization"]
if authorization == nil then return refuse(401, "an access token is required", @CHALLENGE@) end
local token = type(authorization) == "string"
  and string.match(authorization, "^[Bb][Ee][Aa][Rr][Ee][Rr] +([^ ]+)$") or nil
local claims = claims_of(token)
-- `cnf`: a sender-constrained token proves nothing without its proof (RFC 9449 section 7.2, RFC 8705 section 3).
if not claims or claims.iss ~= @ISSUER@ or not names(claims, @AUDIENCE@) or not is_name(claims.sub)
  or claims.cnf ~= nil then
  return refuse(401, "the access token is not for this server", @INVALID@)
end
local granted = {}
for _, claim in ipairs({ "scope", "scp" }) do
  local value = claims[claim]
  for _, part in ipairs(type(value) == "table" and value or { value }) do
    if type(part) == "string" then
      for scope in string.gmatch(part, "[^ ]+") do granted[scope] = true end
    end
  end
end
for _, scope in ipairs(@SCOPES@) do
  if not granted[scope] then return refuse(403, "the access token lacks a scope", @INSUFFICIENT@) end
end
-- Passing Access as oneself with somebody else's token is the confused deputy.
if access.common_name == nil then
  if type(claims.email) ~= "string" or claims.email_verified == false
    or string.lower(claims.email) ~= string.lower(access.email) then
    return refuse(403, "the access token does not name the person whom Access admitted")
  end
end
local principal = "person:" .. claims.sub
"""

#: Nobody can read such a token: the plugin after this check asks the issuer about it and names the principal, and the guard
#: asks again and compares the person's address with the Access assertion's.
_OPAQUE = """\
local authorization = headers["authorization"]
if authorization == nil then return refuse(401, "an access token is required", @CHALLENGE@) end
local token = type(authorization) == "string" and #authorization <= @MAX_TOKEN@
  and string.match(authorization, "^[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]+)$") or nil
if not token then return refuse(401, "the access token is not for this server", @INVALID@) end
"""

_HANDED_ON = """\
kong.service.request.set_header(@ASSERTION_HEADER@, "Bearer " .. token)
"""

_NAMED = """\
kong.service.request.set_header(@PRINCIPAL_HEADER@, principal)
"""


def identity_check(
    *, access_issuer: str, audiences: Mapping[str, str], bearer: BearerCheck | None = None, preflight: bool = False
) -> str:
    """Lua for the access phase: refuse, or set `x-ringwall-assertion` and `x-ringwall-principal` (not of an opaque token).

    Args:
        access_issuer: exact `iss` of the Access team.
        audiences: public host name to the `aud` of its Access application.
        bearer: `oauth: external` only; then the bearer token names the principal, always a person. The Access
            assertion must still be this server's, and where it names a person both tokens must carry the same email: a
            bearer token without an email claim cannot prove that and is refused. One jwt plugin runs per request and it
            verifies the bearer token, so in this mode the *signature* of the Access assertion is verified before Kong
            by cloudflared and after it by the guard.
        preflight: let CORS preflights through to the cors plugin.

    Requests with a body of undeclared length are refused: request-size-limiting cannot see the size of a chunked body
    that nginx wrote to disk, and its own `require_content_length` would refuse every GET and DELETE. So are Upgrade
    (a WebSocket passes a plain http route: run), query strings (MCP has none; tokens in URLs end in logs) and repeated
    credentials.
    """
    if not audiences:
        raise ValueError("an identity check without any audience would refuse everybody")
    values = {
        # The remainder too: the guard decides by it, and were the budget's plugin gone, nobody would overwrite it.
        "OWN": _lua_list([ASSERTION_HEADER, PRINCIPAL_HEADER, REQUEST_ID_HEADER, REMAINING_HEADER]),
        "PREFIX": lua_string(HEADER_PREFIX),
        "PREFIX_LENGTH": str(len(HEADER_PREFIX)),
        "MAX_HEADERS": str(MAX_HEADERS),
        "MAX_TOKEN": str(MAX_TOKEN),
        "LEEWAY": str(CLOCK_LEEWAY),
        "LATEST": f"{LATEST_MOMENT:.0f}",
        "REFUSED_HEADERS": _lua_list(REFUSED_HEADERS),
        "TYPES": lua_set(TYPES),
        "AUDIENCES": "{ "
        + ", ".join(f"[{lua_string(host)}] = {lua_string(aud)}" for host, aud in sorted(audiences.items()))
        + " }",
        "ACCESS_ISSUER": lua_string(access_issuer),
        "CHALLENGE": lua_string(bearer.challenge() if bearer else "Bearer"),
        "ASSERTION_HEADER": lua_string(ASSERTION_HEADER),
        "PRINCIPAL_HEADER": lua_string(PRINCIPAL_HEADER),
    }
    if bearer:
        values |= {
            "ISSUER": lua_string(bearer.issuer),
            "AUDIENCE": lua_string(bearer.audience),
            "SCOPES": _lua_list(bearer.scopes),
            "INVALID": lua_string(bearer.challenge("invalid_token")),
            "INSUFFICIENT": lua_string(bearer.challenge("insufficient_scope")),
        }
    parts = [_HEADERS, _PREFLIGHT if preflight else "", _TOKENS, _EXTERNAL if bearer else _ACCESS, _HANDED_ON, _NAMED]
    if bearer and bearer.opaque:
        parts[3:] = [_OPAQUE, _HANDED_ON]
    return fill("".join(parts), values)


def challenge_on_401(bearer: BearerCheck) -> str:
    """Lua for the header_filter phase: a 401 of the jwt plugin says `Bearer` only, and the client could not discover
    the authorization server (RFC 9728 section 5.1). Challenges that name the document stay, insufficient_scope too."""
    return fill(
        """\
if kong.response.get_status() == 401 then
  local challenge = kong.response.get_header("WWW-Authenticate")
  if type(challenge) ~= "string" or not string.find(challenge, "resource_metadata=", 1, true) then
    kong.response.set_header("WWW-Authenticate", @INVALID@)
  end
end
""",
        {"INVALID": lua_string(bearer.challenge("invalid_token"))},
    )


def log_fields() -> dict[str, str]:
    """`custom_fields_by_lua` for http-log and file-log: whole fields are rebuilt from allow lists.

    Kong's serializer redacts `authorization` only, and wrote the assertion in clear (run). The query string appears in
    four of its fields; it is dropped. The principal is named only once a signature was verified, so that a forged token
    cannot put somebody else's name into the log.
    """
    pick = """\
local result = {}
for name, value in pairs(@SOURCE@) do
  local lower = string.lower(name)
  if (@ALLOWED@)[lower] then
    result[lower] = type(value) == "table" and table.concat(value, ", ") or tostring(value)
  end
end
"""
    principal = """\
local principal = kong.request.get_header(@PRINCIPAL_HEADER@)
if principal and kong.client.get_credential() then result[@PRINCIPAL_HEADER@] = principal end
"""
    end = "return result\n"
    return {
        "request.headers": fill(
            pick + principal + end,
            {
                "SOURCE": "kong.request.get_headers(1000)",
                "ALLOWED": lua_set(LOGGED_REQUEST_HEADERS),
                "PRINCIPAL_HEADER": lua_string(PRINCIPAL_HEADER),
            },
        ),
        "request.querystring": "return nil",
        "request.uri": "return kong.request.get_path()",
        "request.url": 'return kong.request.get_scheme() .. "://" .. kong.request.get_host() .. kong.request.get_path()',
        "response.headers": fill(
            pick + end,
            {"SOURCE": "kong.response.get_headers(1000)", "ALLOWED": lua_set(LOGGED_RESPONSE_HEADERS)},
        ),
        "upstream_uri": "return kong.request.get_path()",
    }


def fill(template: str, values: Mapping[str, str]) -> str:
    """One pass, so that a value holding `@NAME@` is never expanded; an unknown mark is a programming error."""
    pieces = template.split("@")
    if len(pieces) % 2 == 0:
        raise ValueError("a mark in the template is not closed")
    return "".join(values[piece] if index % 2 else piece for index, piece in enumerate(pieces))
