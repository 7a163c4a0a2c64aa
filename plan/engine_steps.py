"""What one step of the engine changes, property by property and as text, read from the step's event.

Nothing is asked of the engine or a provider here: the event carries the old and the new state and the paths that the
provider names. Where two states differ is found by `model.difference`; how a value is shown is in `plan.drift`.

A bridged provider compares state with inputs (`inputDiff` is false), counts the entries of a list by their place on one
of the two sides, and names an entry of a set by a hash now and then (pulumi-terraform-bridge, pkg/tfbridge/diff.go and
detailed_diff.go). So a path tells where to look, and what differs there is found by comparing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from model.difference import differences, path_elements
from model.masking import SECRET
from model.sentinels import WIRE_SIGNATURE
from plan.drift import is_noise, shown, shown_pair

#: What the bridge keeps for itself beside the properties of a resource (pkg/reservedkeys).
_RESERVED = frozenset({"__defaults", "__meta", "__pulumi_raw_state_delta"})
#: Inputs of a provider resource that say which plugin runs, not what it does.
_PLUGIN = frozenset({"version", "pluginDownloadURL", "pluginChecksums"})
_CHANGED_SECRET = f"{SECRET}, another value"


def step_differences(metadata: Any, *, refreshed: bool = False) -> tuple[tuple[str, str, str], ...]:
    """(path, before, after) of every leaf that a step changes.

    Args:
        metadata: of an engine event (`pulumi.automation.events.StepEventMetadata`).
        refreshed: the event ends a refresh, so that the new state is what the provider found.

    Inputs are compared first: what people wrote, without what the provider adds. Where they do not show a path that the
    provider names, the old state is compared with the new inputs, or after a refresh with the new state, as the engine's
    own display does (pulumi, pkg/engine/detailedDiff.go).
    """
    ignored = _RESERVED | (_PLUGIN if metadata.type.startswith("pulumi:providers:") else frozenset())
    old_inputs, old_state = _properties(metadata.old, ignored)
    new_inputs, new_state = _properties(metadata.new, ignored)
    named = {path: _kind(difference) for path, difference in (metadata.detailed_diff or {}).items()}
    named = {path: kind for path, kind in named.items() if not ignored.intersection(path_elements(path))}
    edited = list(differences(old_inputs, new_inputs))
    if not named:
        # Components have no provider to say what differs.
        lines = _texts(edited or (list(differences(old_state, new_state)) if refreshed else ()))
        secret_only = refreshed and not metadata.detailed_diff and _looks_alike(metadata)
        return (("in a secret property", SECRET, _CHANGED_SECRET),) if secret_only else lines
    leaves = [leaf for leaf in edited if _concerns(leaf[0], named)]
    unmatched = {path: kind for path, kind in named.items() if not _concerns(path, [leaf[0] for leaf in leaves])}
    # A property that the program never set is computed by the provider, anew on each run. Only its removal is a change.
    written = {".".join(names) for side in (old_inputs, new_inputs) for names in _leaves(side)}
    computed = {
        path for path, kind in unmatched.items() if not kind.startswith("delete") and not _concerns(path, written)
    }
    compared = unmatched.keys() - (set() if refreshed else computed)
    after = new_state if refreshed else new_inputs
    for top in sorted({str(path_elements(path)[0]) for path in compared}):
        for leaf in differences(old_state.get(top), after.get(top), top):
            if _concerns(leaf[0], compared) and (refreshed or not _is_echo(leaf, written, unmatched)):
                leaves.append(leaf)
    hidden = [path for path in compared if not _concerns(path, [leaf[0] for leaf in leaves])]
    lines = (*_texts(leaves), *_hidden(hidden, old_state))
    if not lines and not refreshed:
        return tuple(
            (path, shown(_value_at(old_state, path), path), "known after up")
            for path in sorted(computed)
            if not is_noise(path)
        )
    return tuple(sorted(lines))


def _looks_alike(metadata: Any) -> bool:
    """Whether the event shows no difference although the engine reports one: then a secret changed, which it masks."""
    old, new = metadata.old, metadata.new
    return bool(old and new and (old.inputs or {}) == (new.inputs or {}) and (old.outputs or {}) == (new.outputs or {}))


def _hidden(paths: Iterable[str], old_state: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The paths that the provider reports as different although the event shows equal values there."""
    for path in paths:
        if WIRE_SIGNATURE in str(old_state.get(str(path_elements(path)[0]))):
            yield path, SECRET, _CHANGED_SECRET
        elif not is_noise(path):
            yield path, shown(_value_at(old_state, path), path), "another value, as the provider says"


def _is_echo(leaf: tuple[str, Any, Any], written: Collection[str], named: Mapping[str, str]) -> bool:
    """Whether a leaf is a property that the provider itself adds inside what the program set: its absence is no change."""
    path, before, after = leaf
    removed = [name for name, kind in named.items() if kind.startswith("delete")]
    return (
        after is None
        and not isinstance(before, dict | list)
        and not _concerns(path, written)
        and not any(_names(path) == _names(name) for name in removed)
    )


def _leaves(value: Any) -> Iterator[tuple[str, ...]]:
    """The names that lead to each plain value, without the places of entries in lists."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ((_quoted(key), *names) for names in _leaves(item))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield from _leaves(item)
    else:
        yield ()


def _quoted(key: str) -> str:
    return f"[{json.dumps(key, ensure_ascii=False)}]" if any(sign in key for sign in '."[]') else key


def _properties(state: Any, ignored: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and outputs of one side."""
    if state is None:
        return {}, {}
    inputs: dict[str, Any] = _stripped({key: v for key, v in (state.inputs or {}).items() if key not in ignored})
    outputs: dict[str, Any] = _stripped({key: v for key, v in (state.outputs or {}).items() if key not in ignored})
    return inputs, outputs


def _stripped(value: Any) -> Any:
    """`value` without what the bridge keeps for itself, at every level."""
    if isinstance(value, Mapping):
        return {key: _stripped(item) for key, item in value.items() if key not in _RESERVED}
    return [_stripped(item) for item in value] if isinstance(value, list) else value


def _kind(difference: Any) -> str:
    kind = getattr(difference, "diff_kind", None)
    return str(getattr(kind, "value", kind))


def _value_at(value: Any, path: str) -> Any:
    for element in path_elements(path):
        try:
            value = value[element]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _concerns(path: str, paths: Iterable[str]) -> bool:
    """Whether a path equals one of the paths, leads to it or lies below it; places of entries in lists do not count."""
    names = _names(path)
    return any(
        all(name == candidate_name for name, candidate_name in zip(names, _names(candidate), strict=False))
        for candidate in paths
    )


def _names(path: str) -> list[str]:
    return [element for element in path_elements(path) if isinstance(element, str)]


def _texts(leaves: Iterable[tuple[str, Any, Any]]) -> tuple[tuple[str, str, str], ...]:
    lines = []
    for path, before, after in leaves:
        if not is_noise(path):
            texts = shown_pair(before, after, path)
            lines.append((path, SECRET, _CHANGED_SECRET) if texts == (SECRET, SECRET) else (path, *texts))
    return tuple(sorted(lines))
