"""Settings of clients for a model route, ready to be pasted: OpenAI's SDKs, LiteLLM and curl, for people and for agents.

Access is before the endpoint, so the SDKs' own API key is nobody's key: agents show the two headers of their service token,
people a token that `cloudflared access login` got them (Cloudflare One docs, "Service tokens" and "cloudflared access").
The SDKs' own `Authorization` header is left out, as it would be taken for a token. A snippet names variables, never a
secret. Formats: openai-python README ("Configuring the HTTP client"), openai-node README, docs.litellm.ai ("OpenAI-
compatible endpoints").
"""

from __future__ import annotations

import json
import shlex

from model.model_route import granted_models
from model.stacks import ModelStack
from operations.clients.snippets import (
    CLIENT_ID_HEADER,
    CLIENT_ID_VARIABLE,
    CLIENT_SECRET_HEADER,
    CLIENT_SECRET_VARIABLE,
    Snippet,
)

#: The header in which a signed-in person's program shows the token.
PERSON_HEADER = "cf-access-token"
PERSON_VARIABLE = "CF_ACCESS_TOKEN"
AGENT = {CLIENT_ID_HEADER: CLIENT_ID_VARIABLE, CLIENT_SECRET_HEADER: CLIENT_SECRET_VARIABLE}
PERSON = {PERSON_HEADER: PERSON_VARIABLE}
#: Why a client that speaks another API has no settings here.
CLAUDE_CODE = (
    "Claude Code speaks Anthropic's Messages API, and this endpoint speaks OpenAI's: it cannot use a model route. The MCP "
    "servers behind Ringwall are open to it (`ringwall clients ENV.SERVER`)."
)


def base_url(stack: ModelStack) -> str:
    """What clients call `base_url`."""
    return f"https://{stack.manifest.hostname}{stack.manifest.path.rstrip('/')}"


def model_snippets(stack: ModelStack) -> dict[str, tuple[Snippet, ...]]:
    """Settings by whom they are for."""
    url = base_url(stack)
    model = min(granted_models(stack.manifest) or stack.manifest.models)
    access = stack.manifest.access
    sign_in = f'{PERSON_VARIABLE}="$(cloudflared access token --app=https://{stack.manifest.hostname})"'
    people = f"first `cloudflared access login https://{stack.manifest.hostname}`, then export {sign_in}"
    agents = f"set {CLIENT_ID_VARIABLE} and {CLIENT_SECRET_VARIABLE} where the agent runs"
    return {
        "people": _all(url, model, PERSON, people) if access.people else (),
        "agents": _all(url, model, AGENT, agents) if access.agents else (),
    }


def _all(url: str, model: str, headers: dict[str, str], note: str) -> tuple[Snippet, ...]:
    return (
        Snippet("OpenAI SDK (Python)", "ask.py", _python(url, model, headers), note),
        Snippet("OpenAI SDK (JavaScript)", "ask.mjs", _javascript(url, model, headers), note),
        Snippet("LiteLLM", "ask_litellm.py", _litellm(url, model, headers), note),
        Snippet("curl", None, _curl(url, model, headers), note),
    )


def _python(url: str, model: str, headers: dict[str, str]) -> str:
    lines = [f'        "{header}": os.environ["{variable}"],' for header, variable in headers.items()]
    return "\n".join(
        [
            "import os",
            "",
            "from openai import Omit, OpenAI",
            "",
            "client = OpenAI(",
            f"    base_url={json.dumps(url)},",
            '    api_key="none",  # Access knows the caller, by the headers below',
            "    default_headers={",
            *lines,
            '        "Authorization": Omit(),',
            "    },",
            ")",
            f"answer = client.chat.completions.create(model={json.dumps(model)},"
            ' messages=[{"role": "user", "content": "Hello"}])',
            "print(answer.choices[0].message.content)",
        ]
    )


def _javascript(url: str, model: str, headers: dict[str, str]) -> str:
    lines = [f'    "{header}": process.env.{variable},' for header, variable in headers.items()]
    return "\n".join(
        [
            'import OpenAI from "openai";',
            "",
            "const client = new OpenAI({",
            f"  baseURL: {json.dumps(url)},",
            '  apiKey: "none", // Access knows the caller, by the headers below',
            "  defaultHeaders: {",
            *lines,
            "    Authorization: null,",
            "  },",
            "});",
            "const answer = await client.chat.completions.create({",
            f"  model: {json.dumps(model)},",
            '  messages: [{ role: "user", content: "Hello" }],',
            "});",
            "console.log(answer.choices[0].message.content);",
        ]
    )


def _litellm(url: str, model: str, headers: dict[str, str]) -> str:
    lines = [f'        "{header}": os.environ["{variable}"],' for header, variable in headers.items()]
    return "\n".join(
        [
            "import os",
            "",
            "from litellm import completion",
            "from openai import Omit, OpenAI",
            "",
            "client = OpenAI(",
            f"    base_url={json.dumps(url)},",
            '    api_key="none",',
            "    default_headers={",
            *lines,
            '        "Authorization": Omit(),',
            "    },",
            ")",
            "answer = completion(",
            f"    model={json.dumps('openai/' + model)},",
            '    messages=[{"role": "user", "content": "Hello"}],',
            "    client=client,",
            ")",
            "print(answer.choices[0].message.content)",
        ]
    )


def _curl(url: str, model: str, headers: dict[str, str]) -> str:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
    parts = [f"curl {shlex.quote(url + '/chat/completions')}", "-H 'Content-Type: application/json'"]
    parts += [f'-H "{header}: ${variable}"' for header, variable in headers.items()]
    return " \\\n  ".join([*parts, f"-d {shlex.quote(body)}"])
