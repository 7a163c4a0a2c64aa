"""A resource monitor and an engine that answer a Pulumi program and write down what it declares.

Plain Python objects in place of gRPC stubs: the SDK calls their methods from worker threads. The answers are those of
an engine in preview: URNs as the engine forms them, inputs echoed, what only a provider can know left unknown or, in
symbolic mode, named (``${github-tunnel.id}``).
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import grpc  # type: ignore[import-untyped]
import pulumi
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi import _types
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, engine_pb2, resource_pb2, source_pb2

from components.documents import DOCUMENTS
from model.errors import RingwallError
from model.sentinels import WIRE_SECRET, WIRE_SIGNATURE, WIRE_UNKNOWN
from plan.graph import STACK_TYPE, Graph, Resource, Source, make_urn
from plan.loop import NeedsThreadError
from plan.values import from_struct, holds_secret, is_wire_secret, symbol, unknown
from plan.values import to_wire as value_to_wire
from plan.wire_options import from_transform, set_options, to_transform, urn_of

STACK_REFERENCE: Final = "pulumi:pulumi:StackReference"

_LOG = logging.getLogger("ringwall.plan")
_LEVELS: Final = {engine_pb2.INFO: logging.INFO, engine_pb2.WARNING: logging.WARNING, engine_pb2.ERROR: logging.ERROR}

_string_outputs: dict[str, frozenset[str]] = {}


class RecordingMonitor:
    """Answers every call the Python SDK makes to the engine's resource monitor, and keeps the registrations.

    One monitor serves one run of one program. All methods may be called from several threads.
    """

    def __init__(
        self,
        *,
        project: str,
        stack: str,
        root: Path | None,
        stack_outputs: Mapping[str, Mapping[str, object]],
        symbolic: bool,
        timeout: float,
    ) -> None:
        self._project, self._stack, self._symbolic, self._timeout = project, stack, symbolic, timeout
        self._root = root.resolve() if root else None
        self._stack_outputs = stack_outputs
        self._lock = threading.Lock()
        self._resources: dict[str, Resource] = {}
        self._states: dict[str, resource_pb2.RegisterResourceResponse] = {}
        self._transforms: dict[str, list[callback_pb2.Callback]] = {}
        self._stack_transforms: list[callback_pb2.Callback] = []
        self._outputs: dict[str, object] = {}
        self._channels: dict[str, grpc.Channel] = {}

    def graph(self) -> Graph:
        """What was declared so far."""
        with self._lock:
            return Graph.build(self._project, self._stack, self._resources.values(), self._outputs)

    def close(self) -> None:
        """Hang up on the program's callback server."""
        with self._lock:
            channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            channel.close()

    def GetDeploymentInfo(self, _: object) -> resource_pb2.DeploymentInfo:
        return resource_pb2.DeploymentInfo(supportedFeatures=resource_pb2.ResourceMonitorFeature.values())

    def SupportsFeature(self, _: object) -> resource_pb2.SupportsFeatureResponse:
        return resource_pb2.SupportsFeatureResponse(hasSupport=True)

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        if request.remote:
            raise RingwallError(
                f"{request.name} ({request.type}) is a remote component, which only its provider can expand, so an "
                "offline plan cannot show it",
                remedy="declare it as a Python component of this program",
            )
        request = self._transformed(request)
        urn = self._claim(request.parent, request.type, request.name)
        resource = Resource(
            urn=urn,
            type=request.type,
            name=request.name,
            custom=request.custom,
            inputs=from_struct(request.object),
            parent=request.parent or None,
            dependencies=tuple(sorted(set(request.dependencies))),
            property_dependencies={
                key: tuple(sorted(set(request.propertyDependencies[key].urns)))
                for key in sorted(request.propertyDependencies)
                if request.propertyDependencies[key].urns
            },
            provider=urn_of(request.provider),
            protect=request.protect,
            options=set_options(request),
            source=self._source(request.sourcePosition),
        )
        answer = resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        if request.custom:
            answer.id = request.importId or (symbol(request.name, "id") if self._symbolic else "")
            self._add_outputs(answer.object, request.type, request.name, request.additionalSecretOutputs)
        for key, dependencies in request.propertyDependencies.items():
            answer.propertyDependencies[key].urns.extend(dependencies.urns)
        with self._lock:
            self._transforms[urn] = list(request.transforms)
            self._resources[urn] = resource
            self._states[urn] = answer
        return answer

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        urn = self._claim(request.parent, request.type, request.name)
        inputs = request.properties
        answer = resource_pb2.ReadResourceResponse(urn=urn, id=request.id, properties=inputs)
        if request.type == STACK_REFERENCE:
            answer.properties.CopyFrom(self._referenced(request.id))
        else:
            self._add_outputs(answer.properties, request.type, request.name, request.additionalSecretOutputs)
        resource = Resource(
            urn=urn,
            type=request.type,
            name=request.name,
            custom=True,
            inputs=from_struct(inputs),
            parent=request.parent or None,
            dependencies=tuple(sorted(set(request.dependencies))),
            provider=urn_of(request.provider),
            options={"read": request.id},
            source=self._source(request.sourcePosition),
        )
        with self._lock:
            self._resources[urn] = resource
            self._states[urn] = resource_pb2.RegisterResourceResponse(urn=urn, id=request.id, object=answer.properties)
        return answer

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> empty_pb2.Empty:
        outputs = from_struct(request.outputs)
        with self._lock:
            resource = self._resources.get(request.urn)
            if resource is None:
                raise RingwallError(f"outputs were registered for {request.urn}, which the program never declared")
            if resource.type == STACK_TYPE:
                self._outputs.update(outputs)
            for key, name in DOCUMENTS.get(resource.type, {}).items():
                self._outputs[name] = outputs.get(key, unknown())
        return empty_pb2.Empty()

    def ExistsResource(self, _: object) -> resource_pb2.ExistsResourceResponse:
        return resource_pb2.ExistsResourceResponse(unknown=True)

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
        """Unknown for every data source: no provider is asked. `getResource` answers from the declared ones."""
        if request.tok != "pulumi:pulumi:getResource":
            return resource_pb2.ResourceInvokeResponse(unknown=True)
        urn = request.args.fields["urn"].string_value
        with self._lock:
            state = self._states.get(urn)
        if state is None:
            raise RingwallError(f"the program asks for {urn}, which it never declared", remedy="check the URN")
        answer = resource_pb2.ResourceInvokeResponse()
        getattr(answer, "return").update({"urn": urn, "id": state.id, "state": state.object})
        return answer

    def Call(self, request: resource_pb2.ResourceCallRequest) -> None:
        raise RingwallError(
            f"the program calls the provider method {request.tok}, which an offline plan cannot answer",
            remedy="compute the value in the program, or leave it to the deployment",
        )

    def RegisterPackage(self, request: resource_pb2.RegisterPackageRequest) -> resource_pb2.RegisterPackageResponse:
        content = request.SerializeToString(deterministic=True)
        return resource_pb2.RegisterPackageResponse(ref=hashlib.sha256(content).hexdigest())

    def RegisterStackTransform(self, callback: callback_pb2.Callback) -> empty_pb2.Empty:
        with self._lock:
            self._stack_transforms.append(callback)
        return empty_pb2.Empty()

    def RegisterStackInvokeTransform(self, _: object) -> empty_pb2.Empty:
        """Nothing to transform: every invoke is unknown."""
        return empty_pb2.Empty()

    def RegisterResourceHook(self, _: object) -> empty_pb2.Empty:
        """Hooks run around real operations; a plan has none. Their names stand in the resource's options."""
        return empty_pb2.Empty()

    def RegisterErrorHook(self, _: object) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, _: object) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def _claim(self, parent: str, type_token: str, name: str) -> str:
        urn = make_urn(self._stack, self._project, parent or None, type_token, name)
        with self._lock:
            if urn in self._resources or urn in self._transforms:
                raise RingwallError(
                    f"two resources share the URN {urn}",
                    remedy=f"give each {type_token.rsplit(':', 1)[-1]} its own name",
                )
            self._transforms[urn] = []
        return urn

    def _transformed(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceRequest:
        """Run transforms in the engine's order: the resource's own, its parents' from the inside out, the stack's."""
        chain = list(request.transforms)
        with self._lock:
            parent: str | None = request.parent
            while parent:
                chain += self._transforms.get(parent, [])
                above = self._resources.get(parent)
                parent = above.parent if above else None
            chain += self._stack_transforms
        if not chain:
            return request
        _refuse_in_event_loop()
        changed = resource_pb2.RegisterResourceRequest()
        changed.CopyFrom(request)
        for callback in chain:
            answer = self._transform(
                callback,
                resource_pb2.TransformRequest(
                    type=changed.type,
                    name=changed.name,
                    custom=changed.custom,
                    parent=changed.parent,
                    properties=changed.object,
                    options=to_transform(changed),
                ),
            )
            changed.object.CopyFrom(answer.properties)
            if answer.HasField("options"):
                from_transform(answer.options, changed)
        return changed

    def _transform(
        self, callback: callback_pb2.Callback, request: resource_pb2.TransformRequest
    ) -> resource_pb2.TransformResponse:
        with self._lock:
            if (channel := self._channels.get(callback.target)) is None:
                # The callback server is in this process; a proxy from the environment must not see the call.
                channel = grpc.insecure_channel(callback.target, options=[("grpc.enable_http_proxy", 0)])
                self._channels[callback.target] = channel
        stub: Any = callback_pb2_grpc.CallbacksStub(channel)
        message = callback_pb2.CallbackInvokeRequest(token=callback.token, request=request.SerializeToString())
        try:
            answer = stub.Invoke(message, timeout=self._timeout)
        except grpc.RpcError as error:
            # The SDK's server sends only text: "Invoke callback <token> error: <message>:" and then a stack trace.
            text = re.sub(r"^Invoke callback \S+ error: ", "", str(error.details())).splitlines()[0].rstrip(":")
            raise RingwallError(
                f"a transform of {request.name} ({request.type}) failed: {text}", remedy="correct the transform"
            ) from error
        result: resource_pb2.TransformResponse = resource_pb2.TransformResponse.FromString(answer.response)
        return result

    def _add_outputs(self, state: struct_pb2.Struct, type_token: str, name: str, secret_outputs: Any) -> None:
        """Name the outputs that a provider computes, and wrap the secret ones, both in place."""
        if self._symbolic:
            for key in declared_string_outputs(type_token):
                if key not in state.fields:
                    state.fields[key].string_value = symbol(name, key)
        for key in secret_outputs:
            value = struct_pb2.Value(string_value=WIRE_UNKNOWN)
            if key in state.fields:
                value.CopyFrom(state.fields[key])
            if not is_wire_secret(value):
                state.fields[key].struct_value.Clear()
                state.fields[key].struct_value.fields[WIRE_SIGNATURE].string_value = WIRE_SECRET
                state.fields[key].struct_value.fields["value"].CopyFrom(value)

    def _referenced(self, stack: str) -> struct_pb2.Struct:
        outputs = self._stack_outputs.get(stack)
        if outputs is None:
            raise RingwallError(
                f"the program references the stack {stack}, which is not part of this plan",
                remedy="plan that stack first, or correct its name",
            )
        properties = struct_pb2.Struct()
        properties.update(
            {
                "name": stack,
                "outputs": value_to_wire(outputs, stack, symbolic=self._symbolic),
                "secretOutputNames": sorted(key for key, value in outputs.items() if holds_secret(value)),
            }
        )
        return properties

    def _source(self, position: source_pb2.SourcePosition) -> Source | None:
        return _source_in(self._root, position.uri, position.line) if self._root and position.uri else None


@functools.lru_cache(4096)
def _source_in(root: Path, uri: str, line: int) -> Source | None:
    """The place relative to the project root; None outside it, where a path would name this machine."""
    path = Path(url2pathname(urlsplit(uri).path))
    inside = path.is_relative_to(root) and "site-packages" not in path.parts
    return Source(path.relative_to(root).as_posix(), line) if inside else None


class RecordingEngine:
    """Answers the engine service: log lines go to the logger `ringwall.plan`, debug lines nowhere."""

    def __init__(self) -> None:
        self._root_urn = ""

    def Log(self, request: engine_pb2.LogRequest) -> empty_pb2.Empty:
        if (level := _LEVELS.get(request.severity)) is not None:
            _LOG.log(level, "%s", request.message)
        return empty_pb2.Empty()

    def GetRootResource(self, _: object) -> engine_pb2.GetRootResourceResponse:
        return engine_pb2.GetRootResourceResponse(urn=self._root_urn)

    def SetRootResource(self, request: engine_pb2.SetRootResourceRequest) -> engine_pb2.SetRootResourceResponse:
        self._root_urn = request.urn
        return engine_pb2.SetRootResourceResponse()

    def RequirePulumiVersion(self, _: object) -> engine_pb2.RequirePulumiVersionResponse:
        """Accepted: the version that counts is the one of the engine that deploys."""
        return engine_pb2.RequirePulumiVersionResponse()


def _refuse_in_event_loop() -> None:
    """A transform is answered by the program's event loop, which must not wait for itself."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise NeedsThreadError


def declared_string_outputs(type_token: str) -> frozenset[str]:
    """Wire names of the outputs that a loaded resource class declares as plain `str`.

    Only these can be named without guessing: an optional output may well be absent, and a number or object cannot
    hold a name. Empty for a type without a generated class.
    """
    if (known := _string_outputs.get(type_token)) is not None:
        return known
    waiting: list[type] = [pulumi.CustomResource]
    while waiting:
        cls = waiting.pop()
        if vars(cls).get("pulumi_type") == type_token:
            hints: Mapping[str, object] = _types._raw_return_hints(cls)
            names = frozenset(name for name, kind in hints.items() if kind == pulumi.Output[str])
            _string_outputs[type_token] = names - {"id", "urn"}
            return _string_outputs[type_token]
        waiting.extend(cls.__subclasses__())
    return frozenset()
