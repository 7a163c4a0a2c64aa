"""Tunnels that a cloudflared still serves. Cloudflare does not delete them (1022), so it is asked before anything goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.repair.kinds import SHAPES, Inputs, Item, Kind
from engine.repair.leftovers import Objects
from engine.repair.lookup import stack_lookup
from engine.workspace import Target
from model.errors import InputError, InputErrors, Unreachable
from model.host_bundle import tunnel_unit

#: A tunnel's `status` while connectors run (Cloudflare API, "List Cloudflare Tunnels").
_SERVED = frozenset({"healthy", "degraded"})


def refuse_connected(target: Target, objects_by_stack: Mapping[str, Objects]) -> None:
    """Refuse to destroy stacks whose tunnels are connected: the run would end halfway, after the public name is gone.

    Where Cloudflare cannot be asked this is noted; the engine meets it then.

    Raises:
        InputErrors: one for each stack, with what stops its connectors.
    """
    problems: list[InputError] = []
    for stack, objects in objects_by_stack.items():
        tunnels = [inputs for kind, inputs in objects if kind is Kind.tunnel]
        if not tunnels:
            continue
        try:
            with stack_lookup(target, stack) as lookup:
                items = list(lookup.items(Kind.tunnel, tunnels[0]))
        except (Unreachable, InputError) as error:
            target.progress.note(f"{stack}: not asked whether its connectors run: {error.summary}")
            continue
        served = [item for item in items if _is_served(item) and _is_among(tunnels, item)]
        problems += [
            InputError(
                f"{stack}: tunnel {item['name']} ({item['id']}) is connected, and Cloudflare deletes none that is; "
                "nothing was taken down",
                remedy=f"stop cloudflared on its host (`systemctl stop {tunnel_unit(stack)}`), which closes the public "
                "name, then run this again",
            )
            for item in served
        ]
    if problems:
        raise InputErrors(problems)


def _is_served(tunnel: Item) -> bool:
    return bool(tunnel.get("connections")) or tunnel.get("status") in _SERVED


def _is_among(tunnels: Sequence[Inputs], item: Item) -> bool:
    return any(SHAPES[Kind.tunnel].fits(inputs, item) for inputs in tunnels)
