"""Everything that Kong needs for some stacks, as one declarative file, out of the same plan that `up` deploys.

The file is decK's (`_format_version: "3.0"`, for `deck gateway sync`, Konnect and reviews), or without the two things that
Kong itself does not know, for a node without a database. Nested as Kong reads it: routes and plugins below their service,
targets below their upstream, groups and keys below their consumer (kong/db/schema/others/declarative_config.lua).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString, SingleQuotedScalarString

from components.editions import Protection, plugin_name
from components.gateway.names import ACCESS, consumer_username, tags
from model.environment import Environment
from model.errors import InputError, RingwallError, Unreachable
from operations.drift.gateway import in_kongs_names
from operations.keys.decide import read_jwks
from plan.drift import resolved
from plan.graph import Graph, Resource
from plan.values import is_secret
from wire.jwks import fetch_jwks
from wire.kong import ALGORITHM

#: Kinds of the plan by the input that names what they stand below, the list they stand in there, and what names them.
_BELOW: Final[Mapping[str, tuple[str, str]]] = {
    "Route": ("serviceId", "routes"),
    "Target": ("upstreamId", "targets"),
    "ConsumerAcl": ("consumerId", "acls"),
    "ConsumerKeyAuth": ("consumerId", "keyauth_credentials"),
}
_TOP: Final[Mapping[str, str]] = {"Service": "services", "Upstream": "upstreams", "Consumer": "consumers"}
_PARENT = re.compile(r"\$\{(.+)\.id\}")
_SYMBOL = re.compile(r"\$\{([^${}]+)\.([A-Za-z]+)\}")
_NULL: Final = "tag:yaml.org,2002:null"
#: What begins and ends a value that decK computes itself, from the environment and files of whoever runs it.
_TEMPLATE: Final = ("${{", "}}")
#: decK refuses a JWT credential without a secret, or with an empty one (github.com/Kong/deck/issues/181). Kong reads it for
#: HS algorithms alone, and refuses a token of another algorithm than its key's (kong/plugins/jwt/handler.lua).
_UNUSED_SECRET: Final = f"unused: {ALGORITHM} is verified by the public key alone"


@dataclass(frozen=True)
class GatewayFile:
    """One file. `variables` says what each variable of decK's environment stands for, `unknown` what no deployment told."""

    text: str
    entities: int
    variables: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def gateway_file(
    graphs: Sequence[Graph],
    known: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    environment: str,
    keys: Mapping[str, Sequence[Mapping[str, Any]]],
    db_less: bool = False,
    remark: str = "",
) -> GatewayFile:
    """The file of every Kong object in the graphs.

    Args:
        known: by stack, what its deployment recorded of each resource, which replaces the plan's symbols.
        keys: the signing keys of each issuer's consumer by its username (`issuer_keys`); a consumer that the graphs do not
            have gets none.
        db_less: for `declarative_config` of a node without a database.
        remark: a line on what the file is, above it.

    Raises:
        InputError: a value holds what decK would replace.
    """
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in (*_TOP.values(), "plugins")}
    variables: dict[str, str] = {}
    unknown: set[str] = set()
    count = 0
    for graph in graphs:
        entities: dict[str, dict[str, Any]] = {}
        resources = sorted(
            (resource for resource in graph.resources if resource.type.startswith("kong:")),
            key=lambda resource: (resource.type.rpartition(":")[2] not in _TOP, resource.urn),
        )
        for resource in resources:
            kind = resource.type.rpartition(":")[2]
            entity = _entity(resource, graph, kind, known.get(graph.stack, {}), variables)
            unknown.update(match[0] for match in _SYMBOL.finditer(repr(entity)))
            _listed(kind, resource, entity, entities, sections).append(entity)
            entities[resource.name] = entity
            count += 1
    for consumer in sections["consumers"]:
        if credentials := keys.get(consumer["username"]):
            consumer["jwt_secrets"] = [dict(credential) for credential in credentials]
            count += len(credentials)
    document: dict[str, Any] = {"_format_version": "3.0"}
    if not db_less:
        document["_info"] = {"select_tags": _select_tags(graphs, environment)}
    document |= {name: entities for name, entities in sections.items() if entities}
    return GatewayFile(_yaml(document, remark), count, variables, tuple(sorted(unknown)))


#: A node of the file alone then lets nobody in, which the command says beside the file.
_WITHOUT_KEYS: Final = "write the file without signing keys by --without-keys"


def issuer_keys(
    settings: Environment, environment: str, fetch: Callable[[str], bytes] = fetch_jwks
) -> dict[str, list[dict[str, Any]]]:
    """The credentials that `keys sync` keeps at Kong, by their consumer's username, as the issuers publish them now.

    Empty where a plugin of the edition reads the keys by itself.

    Args:
        fetch: gives the document at an issuer's address.

    Raises:
        Unreachable: an issuer does not answer, or publishes no key that counts, or the key of another one.
    """
    if plugin_name(Protection.SIGNATURE, settings.gateway.edition, settings.gateway.version) != "jwt":
        return {}
    addresses = {ACCESS: settings.cloudflare.jwks_uri}
    addresses.update({name: issuer.jwks_uri for name, issuer in sorted(settings.issuers.items()) if issuer.jwks_uri})
    keys: dict[str, list[dict[str, Any]]] = {}
    owners: dict[str, str] = {}
    for issuer, url in addresses.items():
        try:
            published = read_jwks(fetch(url)).keys
        except ValueError as error:
            raise Unreachable(f"{url}: {error}", remedy=f"ask the issuer, or {_WITHOUT_KEYS}") from None
        except RingwallError as error:
            raise Unreachable(f"issuer {issuer}: {error}", remedy=f"try again, or {_WITHOUT_KEYS}") from None
        for key in published:
            if (owner := owners.setdefault(key.kid, issuer)) != issuer:
                raise Unreachable(
                    f"issuers {owner} and {issuer} publish a key under the kid {key.kid}, and Kong holds one of that name",
                    remedy="find out whose it is",
                )
        keys[consumer_username(environment, issuer)] = [
            {
                "algorithm": ALGORITHM,
                "key": key.kid,
                "rsa_public_key": key.pem,
                "secret": _UNUSED_SECRET,
                "tags": tags(environment),
            }
            for key in sorted(published, key=lambda key: key.kid)
        ]
    return keys


def _entity(
    resource: Resource, graph: Graph, kind: str, known: Mapping[str, Mapping[str, Any]], variables: dict[str, str]
) -> dict[str, Any]:
    inputs = dict(resource.inputs)
    secrets = [name for name, value in inputs.items() if is_secret(value)]
    entity: dict[str, Any] = in_kongs_names(
        kind, resolved({name: value for name, value in inputs.items() if name not in secrets}, known)
    )
    if isinstance(config := entity.get("config"), str):  # a symbol of the plan stands in it
        entity["config"] = json.loads(config)
    _refuse_templates(entity, resource.name)
    for name in secrets:
        variable = re.sub(r"[^A-Z0-9]", "_", f"DECK_{resource.name.removesuffix(f'-{name}')}_{name}".upper())
        variables[variable] = f"the {name} of {resource.name} ({graph.stack})"
        entity[name] = _Template(variable_text(variable))
    return entity


def variable_text(name: str) -> str:
    """What stands in a file in the place of a variable's value, in single quotes."""
    return f'{_TEMPLATE[0]} env "{name}" {_TEMPLATE[1]}'


class _Template(str):
    """A value that decK puts in."""


def _listed(
    kind: str,
    resource: Resource,
    entity: Mapping[str, Any],
    entities: Mapping[str, dict[str, Any]],
    sections: Mapping[str, list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """The list of the file that an entity stands in."""
    if kind in _TOP:
        return sections[_TOP[kind]]
    if kind == "Plugin":
        parent, inside = resource.inputs.get("serviceId"), "plugins"
        if parent is None and not any(name.endswith("Id") for name in resource.inputs):
            return sections["plugins"]
    elif kind in _BELOW:
        reference, inside = _BELOW[kind]
        parent = resource.inputs.get(reference)
    else:
        raise NotImplementedError(f"{resource.name} is a {resource.type}, which this file has no place for")
    match = _PARENT.fullmatch(str(parent))
    if match is None or match[1] not in entities:
        raise NotImplementedError(f"{resource.name} stands below {parent}, which its stack does not have")
    held: list[dict[str, Any]] = entities[match[1]].setdefault(inside, [])
    return held


def _select_tags(graphs: Sequence[Graph], environment: str) -> list[str]:
    """The tags that every object has: decK deletes objects at Kong that have all of them and are not in the file."""
    every = [
        set(map(str, resource.inputs.get("tags") or ()))  # type: ignore[call-overload]
        for graph in graphs
        for resource in graph.resources
        if resource.type.startswith("kong:")
    ]
    shared = set.intersection(*every) if every else set()
    if not set(tags(environment)) <= shared:
        raise NotImplementedError("an object of the gateway lacks the environment's tags, so decK would leave it alone")
    return sorted(shared)


def _refuse_templates(value: Any, name: str) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_templates(key, name)
            _refuse_templates(item, name)
    elif isinstance(value, list):
        for item in value:
            _refuse_templates(item, name)
    elif isinstance(value, str) and _TEMPLATE[0] in value:
        raise InputError(
            f"{name} holds {_TEMPLATE[0]}, which decK would replace by what its environment or a file says",
            remedy="write the text without it in the stack file",
        )


def _yaml(document: Mapping[str, Any], remark: str) -> str:
    """Every text in quotes, so that a reader of YAML 1.1 takes none for a number, a switch or a date."""
    writer = YAML()
    writer.width = 10**6
    writer.representer.add_representer(type(None), lambda representer, _: representer.represent_scalar(_NULL, "null"))
    writer.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    writer.dump(_quoted(document), stream)
    lines = "".join(f"# {line}\n" for line in remark.splitlines())
    return lines + stream.getvalue()


def _quoted(value: Any) -> Any:
    if isinstance(value, Mapping):
        first = ("name", "username", "target", "group", "key")
        order = sorted(value, key=lambda name: (name not in first, isinstance(value[name], list), name))
        return {_plain(name): _quoted(value[name]) for name in (value if "_format_version" in value else order)}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_quoted(item) for item in value]
    if isinstance(value, _Template):
        return SingleQuotedScalarString(value)
    if isinstance(value, str):
        # Code is read in lines. The one line break at its end is what a block keeps by itself.
        block = (
            value.count("\n") > 1 and re.search(r"[^\n]\n\Z", value) and not re.search(r"[^\n\x20-\x7e]|\A\s", value)
        )
        return LiteralScalarString(value) if block else DoubleQuotedScalarString(value)
    return value


def _plain(name: str) -> str:
    return name if re.fullmatch(r"[a-z_]+", name) else DoubleQuotedScalarString(name)
