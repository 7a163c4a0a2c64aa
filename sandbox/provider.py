"""The provider protocol of Pulumi over gRPC, for any `Package`; what a service does is in `sandbox.service`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from model.errors import RingwallError
from sandbox import faults as fault_file
from sandbox import schema
from sandbox.behaviour import Package, Refused
from sandbox.diff import PropertyChange, changes
from sandbox.faults import Fault, Faults
from sandbox.schema import Problem
from sandbox.service import Service
from sandbox.state import Store
from sandbox.wire import Props, Unknown, decode, encode, known, reveal

_KINDS = {"add": "ADD", "delete": "DELETE", "update": "UPDATE"}


def identify(urn: str) -> tuple[str, str]:
    """Type token and name from a URN ``urn:pulumi:<stack>::<project>::<parent types>$<type>::<name>``."""
    _, _, types, name = urn.split("::", 3)
    return types.rpartition("$")[2], name


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One package for any number of engines at once. Holds no configuration and no credential."""

    def __init__(self, package: Package, siblings: list[Package], store: Store, faults: Faults, version: str) -> None:
        self.package = package
        self.service = Service(package, siblings)
        self.store = store
        self.faults = faults
        self.version = version

    # What the engine asks before any resource.

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: Any
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: plugin_pb2.PluginAttach, context: Any) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: Any) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self.version)

    def GetSchema(self, request: provider_pb2.GetSchemaRequest, context: Any) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema=f'{{"name": "{self.package.name}", "version": "{self.version}"}}')

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Any) -> provider_pb2.CheckResponse:
        news = decode(request.news)
        problems = [
            Problem(name, "unknown property")
            for name in news.keys() - schema.provider(self.package.name).keys() - {"version"}
        ]
        return _checked(request.news, [*problems, *self.package.check_config(news)])

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Any) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: provider_pb2.ConfigureRequest, context: Any) -> provider_pb2.ConfigureResponse:
        """Accept any credential, or none, and keep nothing of it."""
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    # Resources.

    def Check(self, request: provider_pb2.CheckRequest, context: Any) -> provider_pb2.CheckResponse:
        type_, name = identify(request.urn)
        with self._call("check", type_, context, name):
            news, olds = decode(request.news), decode(request.olds)
            behaviour, definition = self.package.behaviour_of(type_), schema.resource(type_)
            if behaviour.autonamed and news.get("name") is None:
                # As the bridge does: the old name, else the resource's name with seven hex digits.
                seed = request.randomSeed or request.urn.encode()
                request.news["name"] = reveal(olds.get("name")) or f"{name}-{hashlib.sha256(seed).hexdigest()[:7]}"
                news["name"] = request.news["name"]
            problems = list(schema.problems(news, definition.inputs))
            return _checked(request.news, problems or [*behaviour.check(_visible(news))])
        raise AssertionError("unreachable: a failed call has been aborted")

    def Diff(self, request: provider_pb2.DiffRequest, context: Any) -> provider_pb2.DiffResponse:
        type_, name = identify(request.urn)
        with self._call("diff", type_, context, name):
            behaviour, definition = self.package.behaviour_of(type_), schema.resource(type_)
            return _diff_response(changes(behaviour, definition.inputs, decode(request.olds), decode(request.news)))
        raise AssertionError("unreachable: a failed call has been aborted")

    def Create(self, request: provider_pb2.CreateRequest, context: Any) -> provider_pb2.CreateResponse:
        type_, name = identify(request.urn)
        inputs = decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=encode(self.service.planned(type_, inputs, {})))
        with self._call("create", type_, context, name):
            with self.store.transaction() as world:
                id_, outputs = self.service.create(world, type_, name, inputs)
            return provider_pb2.CreateResponse(id=id_, properties=encode(outputs))
        raise AssertionError("unreachable: a failed call has been aborted")

    def Read(self, request: provider_pb2.ReadRequest, context: Any) -> provider_pb2.ReadResponse:
        type_, name = identify(request.urn)
        with self._call("read", type_, context, name):
            held, old_inputs = decode(request.properties), decode(request.inputs)
            with self.store.reading() as world:
                reading = self.service.read(world, type_, request.id, held)
            if reading is None:
                return provider_pb2.ReadResponse(id="")
            id_, outputs = reading
            inputs = self._inputs_from(type_, outputs, old_inputs)
            return provider_pb2.ReadResponse(id=id_, properties=encode(outputs), inputs=encode(inputs))
        raise AssertionError("unreachable: a failed call has been aborted")

    def Update(self, request: provider_pb2.UpdateRequest, context: Any) -> provider_pb2.UpdateResponse:
        type_, name = identify(request.urn)
        olds, news = decode(request.olds), decode(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(self.service.planned(type_, news, olds)))
        with self._call("update", type_, context, name):
            with self.store.transaction() as world:
                outputs = self.service.update(world, type_, request.id, olds, news)
            return provider_pb2.UpdateResponse(properties=encode(outputs))
        raise AssertionError("unreachable: a failed call has been aborted")

    def Delete(self, request: provider_pb2.DeleteRequest, context: Any) -> empty_pb2.Empty:
        type_, name = identify(request.urn)
        with self._call("delete", type_, context, name), self.store.transaction() as world:
            self.service.delete(world, type_, request.id)
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: Any) -> provider_pb2.InvokeResponse:
        with self._call("invoke", request.tok, context):
            function = self.package.functions.get(request.tok)
            if function is None:
                raise Refused(f"the sandbox does not answer {request.tok}")
            arguments: Props = reveal(decode(request.args))
            if not known(arguments):
                raise Refused(f"{request.tok} was called with values that are not known yet: use its _output form")
            with self.store.transaction() as world:
                response = provider_pb2.InvokeResponse()
                getattr(response, "return").CopyFrom(encode(function(world, arguments)))
                return response
        raise AssertionError("unreachable: a failed call has been aborted")

    def _inputs_from(self, type_: str, outputs: Props, old_inputs: Props) -> Props:
        """Inputs to record after a read: those recorded before, else (an import) all that differ from the defaults."""
        behaviour, definition = self.package.behaviour_of(type_), schema.resource(type_)
        if old_inputs:
            return {name: outputs.get(name) for name in old_inputs}
        inputs = {name: value for name, value in outputs.items() if name in definition.inputs}
        return {name: value for name, value in inputs.items() if behaviour.defaults.get(name) != value}

    def _meet(self, due: list[Fault], *, after_effect: bool) -> None:
        """Wait for the delays, and raise the failures, that come before the work or (`after_effect`) after it."""
        for fault in due:
            if fault.after_effect is after_effect:
                self.faults.begin(fault)
                time.sleep(fault.delay)
                if fault.message is not None:
                    raise Refused(fault.message)

    @contextmanager
    def _call(self, operation: str, type_: str, context: Any, name: str = "") -> Iterator[None]:
        """Run one operation with the faults due to it; a refusal ends the call with its text."""
        try:
            due = self.faults.due(operation, type_, name, fault_file.read(self.store.folder))
            self._meet(due, after_effect=False)
            yield
            self._meet(due, after_effect=True)
        except (Refused, RingwallError, schema.UnknownType) as refusal:
            context.abort(grpc.StatusCode.UNKNOWN, str(refusal))


def _visible(props: Props) -> Props:
    """Properties for `Behaviour.check`; secrets stay wrapped, so that no message quotes one by accident."""
    return {name: value for name, value in props.items() if value is not None or isinstance(value, Unknown)}


def _checked(inputs: Any, problems: list[Problem]) -> provider_pb2.CheckResponse:
    failures = [
        provider_pb2.CheckFailure(property=problem.path, reason=f"{problem.path}: {problem.reason}")
        for problem in problems
    ]
    return provider_pb2.CheckResponse(inputs=inputs, failures=failures)


def _diff_response(differences: list[PropertyChange]) -> provider_pb2.DiffResponse:
    kinds: Callable[[str], Any] = provider_pb2.PropertyDiff.Kind.Value
    response = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if differences else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({change.top for change in differences}),
        replaces=sorted({change.top for change in differences if change.replaces}),
        hasDetailedDiff=True,
    )
    for change in differences:
        kind = _KINDS[change.kind] + ("_REPLACE" if change.replaces else "")
        response.detailedDiff[change.path].CopyFrom(provider_pb2.PropertyDiff(kind=kinds(kind)))
    return response
