"""The services behind the providers: create, read, update and delete in the stored world, and what they refuse."""

from __future__ import annotations

from typing import Any

from sandbox import schema
from sandbox.behaviour import Behaviour, Package, Refused
from sandbox.state import Record, World, unhash
from sandbox.wire import UNKNOWN, Props, SecretValue, reveal


class Service:
    """One package's resource operations on a transaction's `World`. Raises `Refused` in the real provider's words."""

    def __init__(self, package: Package, siblings: list[Package]) -> None:
        self.package = package
        self.siblings = siblings

    def planned(self, type_: str, inputs: Props, old: Props) -> Props:
        """Outputs of a preview: the inputs, the defaults, and what exists already; everything else is unknown yet."""
        behaviour, definition = self.package.behaviour_of(type_), schema.resource(type_)
        computed = {name: old.get(name, UNKNOWN) for name in definition.computed}
        return {**computed, **behaviour.defaults, **inputs}

    def create(self, world: World, type_: str, name: str, inputs: Props) -> tuple[str, Props]:
        """Make a resource; returns its id and outputs."""
        behaviour = self.package.behaviour_of(type_)
        try:
            self._allow(world, type_, behaviour, inputs, None)
            if behaviour.quota and len(world.records_of(type_)) >= behaviour.quota[0]:
                limit, kind = behaviour.quota
                raise Refused(f"quota reached: an account holds at most {limit} {kind}")
        except Refused as refusal:
            raise Refused(behaviour.create_refusal(inputs, str(refusal))) from refusal
        plain: Props = reveal(inputs)
        id_ = behaviour.identity(world, plain)
        stale = world.find(type_, id_)
        if stale is not None:  # identities taken from inputs: create is a PUT over what is there
            world.records.remove(stale)
        outputs = {**behaviour.defaults, **inputs, **behaviour.computed(world, id_, plain, {})}
        world.records.append(Record(id_, type_, name, self._stored(world, behaviour, outputs)))
        return id_, self._marked(behaviour, outputs)

    def update(self, world: World, type_: str, id_: str, old: Props, inputs: Props) -> Props:
        """Change a resource in place; returns its outputs."""
        behaviour, definition = self.package.behaviour_of(type_), schema.resource(type_)
        record = world.find(type_, id_)
        if record is None:
            raise Refused(f"404 Not Found: {type_} {id_} (deleted outside: refresh first)")
        self._allow(world, type_, behaviour, inputs, id_)
        before = {
            name: value for name, value in old.items() if name not in definition.inputs or behaviour.keeps_removed
        }
        computed = behaviour.computed(world, id_, reveal(inputs), reveal(old))
        outputs = {**before, **({} if behaviour.keeps_removed else behaviour.defaults), **inputs, **computed}
        record.outputs = self._stored(world, behaviour, outputs)
        return self._marked(behaviour, outputs)

    def read(self, world: World, type_: str, id_: str, held: Props) -> tuple[str, Props] | None:
        """Id and outputs as the service has them, secrets from `held` (the engine's copy); None when it is gone.

        Without `held` it is an import, to which the plugins of Cloudflare's kind give the one form of id they document.
        """
        behaviour = self.package.behaviour_of(type_)
        importing = not held and bool(behaviour.import_scope)
        record = world.find(type_, id_.rpartition("/")[2] if importing else id_)
        if record is None:
            return None
        if importing and id_ != behaviour.import_scope.format_map(record.outputs) + record.id:
            raise Refused(f"invalid ID {id_!r}: expected {behaviour.import_scope}<id>")
        outputs = unhash(record.outputs, held, world)
        outputs.update({name: held[name] for name in behaviour.unrefreshed if name in held})
        outputs.update(behaviour.refreshed(outputs))
        return record.id, self._marked(behaviour, outputs)

    def delete(self, world: World, type_: str, id_: str) -> None:
        """Delete a resource and the holders of references to it that the service deletes along."""
        record = world.find(type_, id_)
        if record is None:
            if self.package.behaviour_of(type_).missing_on_delete == "error":
                raise Refused(f"404 Not Found: {type_} {id_}")
            return
        reason = self.package.behaviour_of(type_).busy(record.outputs)
        if reason is not None:
            raise Refused(reason)
        for holder_type, behaviour in self._all_behaviours():
            for reference in behaviour.references:
                if reference.target != type_:
                    continue
                for holder in [
                    held for held in world.records_of(holder_type) if id_ in reference.extract(held.outputs)
                ]:
                    if reference.on_delete == "refuse":
                        raise Refused(
                            f"400: {_plain(holder_type)} {holder.name} ({holder.id}) still uses this {_plain(type_)}"
                        )
                    if reference.on_delete == "cascade":
                        self.delete(world, holder_type, holder.id)
        world.records.remove(record)

    def _all_behaviours(self) -> list[tuple[str, Behaviour]]:
        return [pair for package in self.siblings for pair in package.behaviours.items()]

    def _allow(self, world: World, type_: str, behaviour: Behaviour, inputs: Props, own_id: str | None) -> None:
        for reference in behaviour.references:
            for id_ in reference.extract(reveal(inputs)):
                if reference.must_exist and world.find(reference.target, id_) is None:
                    raise Refused(reference.problem.format(target=_plain(reference.target), id=id_))
        neighbours = [record for record in world.records_of(type_) if record.id != own_id]
        stored = world.stored(self._hidden(behaviour, {**behaviour.defaults, **inputs}))
        for group in behaviour.unique:
            values = [stored.get(name) for name in group]
            if any(value is not None for value in values):
                for neighbour in neighbours:
                    if [neighbour.outputs.get(name) for name in group] == values:
                        raise Refused(self.package.conflict(type_, neighbour.name, group, inputs))
        for neighbour in neighbours:
            if behaviour.excludes(stored, neighbour.outputs):
                raise Refused(self.package.conflict(type_, neighbour.name, (), inputs))

    def _stored(self, world: World, behaviour: Behaviour, outputs: Props) -> Props:
        """The outputs as they are stored: secrets, and what is computed from them, as hashes."""
        hidden = self._hidden(behaviour, outputs)
        if isinstance(hidden.get("configJson"), SecretValue):
            hidden["computedConfig"] = SecretValue(reveal(hidden.get("computedConfig")))
        return world.stored(hidden)

    @staticmethod
    def _hidden(behaviour: Behaviour, props: Props) -> Props:
        names = behaviour.sensitive & props.keys()
        return {**props, **{name: SecretValue(reveal(props[name])) for name in names if props[name] is not None}}

    @staticmethod
    def _marked(behaviour: Behaviour, outputs: Props) -> Props:
        names = behaviour.secret_outputs & outputs.keys()
        marked = {name: SecretValue(reveal(outputs[name])) for name in names if outputs[name] is not None}
        if isinstance(outputs.get("computedConfig"), SecretValue):  # read back: the real provider marks it as plain
            marked["computedConfig"] = reveal(outputs["computedConfig"])
        return {**outputs, **marked}


def _plain(type_: str) -> Any:
    return type_.rpartition(":")[2]
