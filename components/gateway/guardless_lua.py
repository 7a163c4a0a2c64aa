"""The Lua by which Kong itself holds requests to a model route that has no guard; a part of the identity check's chunk.

The checks behind it read the text of messages (Kong's page of AI Lakera Guard, "Content that the plugin inspects"). What
they do not read, and what lets a provider act by itself or keep a conversation for an account that all callers share, is
refused. So is a model that the route does not have: what ai-proxy-advanced does with a name that is no target's
`model_alias`, Kong's pages do not say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from components.gateway.lua import fill, lua_set, lua_string

#: Members of a chat completion's request (OpenAI API reference) that pass. Those of tools are read by nobody.
MEMBERS: Final = (
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
)

_CHECK = """\
if method ~= "POST" then return refuse(405, "method is not accepted") end
-- A browser shows the session of whoever is signed in, also for a page of somebody else's.
local origin = headers["origin"]
if origin ~= nil and not (@ORIGINS@)[origin] then return refuse(403, "this origin is not allowed") end
local media = headers["content-type"]
if type(media) ~= "string" or string.match(string.lower(media), "^application/json%s*;?") == nil then
  return refuse(415, "the body must be application/json")
end
local text = kong.request.get_raw_body(@MAX_BYTES@)
if type(text) ~= "string" or #text > @MAX_BYTES@ then return refuse(413, "the body is too large") end
local body = cjson.decode(text)
if type(body) ~= "table" then return refuse(400, "the body must be a JSON object") end
if type(body.model) ~= "string" or not (@MODELS@)[body.model] then return refuse(404, "the model does not exist") end
for name in pairs(body) do
  if type(name) ~= "string" or not (@MEMBERS@)[name] then
    local shown = type(name) == "string" and string.match(name, "^[a-z_]+$") and #name <= 40 and name or "of the body"
    return refuse(400, "the member " .. shown .. " is not accepted")
  end
end
if body.store == true then return refuse(400, "store is not accepted: the provider would keep it for all callers") end
-- JSON's null is no table and no text either.
for _, mode in pairs(type(body.modalities) == "table" and body.modalities or {}) do
  if mode ~= "text" then return refuse(400, "an answer that is no text is not accepted") end
end
for _, tool in pairs(type(body.tools) == "table" and body.tools or {}) do
  if type(tool) ~= "table" or tool.type ~= "function" then
    return refuse(400, "a tool that the provider runs is not accepted")
  end
end
if type(body.messages) ~= "table" then return refuse(400, "messages are required") end
for _, said in pairs(body.messages) do
  if type(said) ~= "table" then return refuse(400, "a message must be an object") end
  if type(said.audio) == "table" then return refuse(400, "a message that is no text is not accepted") end
  for _, part in pairs(type(said.content) == "table" and said.content or {}) do
    if type(part) ~= "table" or part.type ~= "text" or type(part.text) ~= "string" then
      return refuse(400, "a message that is no text is not accepted")
    end
  end
end
"""
#: A closed route sends nothing to the services that check prompts, either.
_CLOSED = """\
return refuse(503, @MESSAGE@)
"""


def model_check(models: Iterable[str], origins: Iterable[str], max_bytes: int) -> str:
    """Lua that refuses all but a chat of texts with one of these models, in the chunk of the identity check and after it."""
    return fill(
        _CHECK,
        {
            "MODELS": lua_set(sorted(models)),
            "ORIGINS": lua_set(sorted(origins)),
            "MEMBERS": lua_set(MEMBERS),
            "MAX_BYTES": str(max_bytes),
        },
    )


def closed_check(message: str) -> str:
    """Lua in place of `model_check` that refuses everything."""
    return fill(_CLOSED, {"MESSAGE": lua_string(message)})
