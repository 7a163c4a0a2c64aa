"""Converts resource options between registration requests, transforms and the plan; values are in `plan.values`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message  # type: ignore[import-untyped]
from pulumi.runtime.proto import alias_pb2, resource_pb2

from plan.values import Json, from_value

#: Field of `RegisterResourceRequest`, its twin in `TransformResourceOptions`.
_TWINS: Final = (
    ("dependencies", "depends_on"),
    ("protect", "protect"),
    ("ignoreChanges", "ignore_changes"),
    ("replaceOnChanges", "replace_on_changes"),
    ("version", "version"),
    ("aliases", "aliases"),
    ("provider", "provider"),
    ("customTimeouts", "custom_timeouts"),
    ("pluginDownloadURL", "plugin_download_url"),
    ("retainOnDelete", "retain_on_delete"),
    ("deletedWith", "deleted_with"),
    ("deleteBeforeReplace", "delete_before_replace"),
    ("additionalSecretOutputs", "additional_secret_outputs"),
    ("providers", "providers"),
    ("pluginChecksums", "plugin_checksums"),
    ("hooks", "hooks"),
    ("importId", "import"),
    ("hideDiffs", "hide_diff"),
    ("replace_with", "replace_with"),
    ("replacement_trigger", "replacement_trigger"),
)


def to_transform(request: resource_pb2.RegisterResourceRequest) -> resource_pb2.TransformResourceOptions:
    """The options a transform is shown."""
    options = resource_pb2.TransformResourceOptions()
    for field, twin in _TWINS:
        _copy(request, field, options, twin)
    if not request.deleteBeforeReplaceDefined:
        options.ClearField("delete_before_replace")
    return options


def from_transform(
    options: resource_pb2.TransformResourceOptions, request: resource_pb2.RegisterResourceRequest
) -> None:
    """Put the options a transform answered into the request, in place."""
    for field, twin in _TWINS:
        _copy(options, twin, request, field)
    request.deleteBeforeReplaceDefined = options.HasField("delete_before_replace")


def _copy(source: Message, field: str, target: Message, twin: str) -> None:
    target.ClearField(twin)
    value = getattr(source, field)
    if source.DESCRIPTOR.fields_by_name[field].has_presence and not source.HasField(field):
        return
    if isinstance(value, Message) or hasattr(value, "MergeFrom"):
        getattr(target, twin).MergeFrom(value)
    else:
        setattr(target, twin, value)


def urn_of(provider_reference: str) -> str | None:
    """The URN in a provider reference (``<urn>::<id>``)."""
    return provider_reference.rsplit("::", 1)[0] if provider_reference else None


def set_options(request: resource_pb2.RegisterResourceRequest) -> dict[str, Json]:
    """The options that are set, under their Python names, sorted.

    Left out because the plan holds them elsewhere: parent, provider, protect, depends_on. Left out because they
    describe the installed SDK and not the resource: version and package reference.
    """
    options: dict[str, Json] = {}

    def put(name: str, value: object, convert: Callable[[Any], Json] | None = None) -> None:
        if value:
            options[name] = convert(value) if convert else value

    put("additional_secret_outputs", request.additionalSecretOutputs, sorted)
    put("aliases", [_alias(alias) for alias in request.aliases] + [{"urn": urn} for urn in request.aliasURNs])
    put("custom_timeouts", _set_fields(request.customTimeouts))
    if request.deleteBeforeReplaceDefined:
        options["delete_before_replace"] = request.deleteBeforeReplace
    put("deleted_with", request.deletedWith)
    put("env_var_mappings", request.envVarMappings, dict)
    put("hide_diffs", request.hideDiffs, sorted)
    put("hooks", _set_fields(request.hooks))
    put("ignore_changes", request.ignoreChanges, sorted)
    put("import", request.importId)
    put("plugin_download_url", request.pluginDownloadURL)
    put("providers", {package: urn_of(reference) for package, reference in sorted(request.providers.items())})
    put("replace_on_changes", request.replaceOnChanges, sorted)
    put("replace_with", request.replace_with, sorted)
    if request.HasField("replacement_trigger"):
        options["replacement_trigger"] = from_value(request.replacement_trigger)
    if request.HasField("retainOnDelete"):
        options["retain_on_delete"] = request.retainOnDelete
    put("state_migrations", len(request.state_migrations))
    return dict(sorted(options.items()))


def _alias(alias: alias_pb2.Alias) -> Json:
    if alias.urn:
        return {"urn": alias.urn}
    return {key: value for key, value in _set_fields(alias.spec).items() if value}  # an empty parent means the same one


def _set_fields(message: Message) -> dict[str, Json]:
    return {
        field.name: value if isinstance(value, str | bool) else list(value)
        for field, value in sorted(message.ListFields(), key=lambda pair: pair[0].name)
    }
