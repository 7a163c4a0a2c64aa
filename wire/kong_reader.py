"""A client of Kong's Admin API that reads entities, lists and the members of an ACL group by path, for `doctor` and `drift`.

Its two changes, `change` and `remove_member`, repair what a reading found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from model.environment import Gateway
from model.errors import Unreachable
from wire.kong import MAX_PAGES, Credential, KongAdmin


@dataclass(frozen=True)
class Member:
    """A consumer in an ACL group, with every JWT credential it has. `membership` is Kong's id of the entry in the group."""

    id: str
    username: str
    membership: str
    credentials: tuple[Credential, ...]


class KongReader(KongAdmin):
    """Reads entities and whole lists."""

    def __init__(self, gateway: Gateway, token: str | None = None) -> None:
        super().__init__(gateway, token)
        self._lists: dict[str, list[dict[str, Any]] | None] = {}

    def read(self, path: str) -> dict[str, Any] | None:
        """One entity; None when it is not there."""
        return self._call("GET", path, 200, 404)

    def read_all(self, path: str) -> list[dict[str, Any]] | None:
        """As `list_all`, but each list is fetched once and kept, because it is looked up many times."""
        if path not in self._lists:
            self._lists[path] = self.list_all(path)
        return self._lists[path]

    def change(self, path: str, values: dict[str, Any]) -> None:
        """Set some fields of an entity; its other fields stay."""
        self._call("PATCH", path, 200, body=values)

    def members(self, group: str) -> list[Member]:
        """Every consumer in an ACL group: any JWT credential of one of them opens what the group opens."""
        members = []
        for entry in self.read_all("/acls") or []:
            if entry.get("group") != group:
                continue
            reference = entry.get("consumer")
            consumer = reference.get("id") if isinstance(reference, dict) else None
            if not isinstance(consumer, str) or not isinstance(entry.get("id"), str):
                raise Unreachable(f"{self.uri}: an entry of group {group} is not Kong's")
            profile = self.read(f"/consumers/{quote(consumer, safe='')}")
            if profile is None:  # deleted since the list was read, and its entry with it
                continue
            name = profile.get("username") or profile.get("custom_id") or consumer
            members.append(Member(consumer, str(name), entry["id"], tuple(self.jwt_credentials(consumer))))
        return sorted(members, key=lambda member: member.username)

    def remove_member(self, member: Member) -> None:
        """Take a consumer out of the group; consumer and credentials stay. One that is out already is fine."""
        place = f"/consumers/{quote(member.id, safe='')}/acls/{quote(member.membership, safe='')}"
        self._call("DELETE", place, 204, 404)

    def list_all(self, path: str) -> list[dict[str, Any]] | None:
        """Every page of a list as it is now; None where the entity that the list belongs to does not exist."""
        entities: list[dict[str, Any]] = []
        offset: str | None = None
        for _ in range(MAX_PAGES):
            body = self._call("GET", path, 200, 404, params={"offset": offset} if offset else {})
            if body is None:
                return None
            data = body.get("data")
            if not isinstance(data, list):
                raise Unreachable(f"{self.uri}: {path} is not Kong's list")
            entities += [entity for entity in data if isinstance(entity, dict)]
            following = body.get("offset")
            if following is None:
                return entities
            if not isinstance(following, str) or following == offset:
                break
            offset = following
        raise Unreachable(f"{self.uri}: {path} does not end")
