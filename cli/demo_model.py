"""The demo's model route: its stack file by the user's own command, and its guard asked for models."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML

from cli.demo_attempts import PERSON
from cli.demo_deploy import ENVIRONMENT
from cli.demo_guard import exported, free_guard_port, signed_guard
from cli.demo_model_calls import TOKENS_PER_DAY, model_outcomes
from cli.demo_outcome import AttemptResult
from cli.demo_stage import Stage
from cli.demo_tell import tell_outcome
from sandbox.model_provider import ModelProvider
from sandbox.sign_in import SignIn

ROUTE = "models"
STACK = f"{ENVIRONMENT}.{ROUTE}"
#: Stands where `pulumi config set --secret` puts the guard's key. The sandbox reads none of it and has a key of its own
#: (`engine.workspace`).
_PLACEHOLDER = "v1:AAAAAAAAAAAAAAAA:bm8gc2VjcmV0IGF0IGFsbCwgYnV0IGl0IGxvb2tzIGxpa2Ugb25l"


def add_route(stage: Stage, project: Path) -> None:
    """Add the model route, and write a budget into its grant."""
    step = stage.step("A model route beside it: two models, one of them granted")
    arguments = (
        "model", "add", STACK, "--model", "small=openai/gpt-4o-mini", "--model", "large=openai/gpt-4o",
        "--credential", "{vault://env/openai-key}", "--grant", "small", "--people", PERSON,
    )  # fmt: skip
    stage.show_command(*arguments)
    stage.ringwall(*arguments, "--guard-port", str(free_guard_port()), "--yes")
    file = project / "stacks" / f"Pulumi.{STACK}.yaml"
    yaml = YAML()
    yaml.preserve_quotes = True
    document = yaml.load(file.read_text(encoding="utf-8"))
    (grant,) = document["config"]["ringwall:model"]["grants"]
    grant["budget"] = {"tokens_per_day": TOKENS_PER_DAY}
    document["config"]["ringwall:guardKey"] = {"secure": _PLACEHOLDER}
    with file.open("w", encoding="utf-8") as out:
        yaml.dump(document, out)
    stage.say(f"tokens_per_day: {TOKENS_PER_DAY}", label="written into its grant: ")
    step.result = {"granted": ["small"], "not_granted": ["large"], "tokens_per_day": TOKENS_PER_DAY}


def ask_models(stage: Stage, folder: Path, sign_in: SignIn) -> list[AttemptResult]:
    """Run the route's guard before the stand-in provider, and ask for models through it.

    `folder` is made, for what that guard keeps.

    Raises:
        RingwallError: the guard made something else of an attempt than it must.
    """
    step = stage.step("A model asked: in OpenAI's form, through the guard of the model route")
    folder.mkdir()
    config = exported(stage, STACK)
    inner, models = config["inner"], config["models"]
    routes = {model["inner_host"]: model["provider_model"] for model in models}
    results: list[AttemptResult] = []
    with ModelProvider(inner["key_header"], routes, folder) as provider:
        # Kong's own address and key are nowhere on this machine.
        config["inner"] = inner | {"url": provider.url, "key": {"file": str(provider.key_file)}}
        with signed_guard(stage, STACK, config, folder, sign_in) as guard:
            stage.say("the provider and Kong's inner route before it are stand-ins: the same answer to everything")
            for outcome in model_outcomes(guard, sign_in.token(PERSON, guard.audience)):
                tell_outcome(stage, outcome)
                results.append(outcome)
    refused = sum(outcome.refused for outcome in results)
    step.result = {"calls": len(results), "refused": refused, "reached_the_provider": provider.answered}
    return results
