"""Compares the address ranges of hosted clients with what their vendors publish, and edits the stack files.

Nothing is written here: the edits are made in the text, checked by reading the whole environment with them, and handed back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.environment import HostedClient
from model.errors import InputError, Unreachable
from model.loader import KeyPath, read_text
from model.project import Project, load_environment
from operations.project.staging import load_staged
from operations.project.write import FileChange, replace_list
from wire.address_lists import RefusedList, fetch_ranges, list_address, same_addresses

CLIENTS: KeyPath = ("config", "ringwall:environment", "hosted_clients")


@dataclass(frozen=True)
class PublishedRanges:
    """One hosted client of one environment beside its vendor's list; `problem` says why there is none."""

    environment: str
    client: str
    url: str
    written: tuple[str, ...]
    published: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""

    @property
    def gained(self) -> tuple[str, ...]:
        return tuple(item for item in self.published if item not in self.written)

    @property
    def lost(self) -> tuple[str, ...]:
        return tuple(item for item in self.written if item not in self.published) if self.published else ()

    @property
    def differs(self) -> bool:
        return not self.problem and not same_addresses(self.written, self.published)

    def as_json(self) -> dict[str, object]:
        return {
            "environment": self.environment,
            "client": self.client,
            "list": self.url,
            "differs": self.differs,
            "gained": list(self.gained) if self.differs else [],
            "lost": list(self.lost) if self.differs else [],
            "problem": self.problem or None,
            "remedy": self.remedy or None,
        }


def compare(project: Project, environments: Sequence[str]) -> list[PublishedRanges]:
    """Every hosted client of the environments; each list is asked for once."""
    lists: dict[str, tuple[str, ...] | RefusedList | Unreachable] = {}
    comparisons = []
    for name in environments:
        for client, settings in sorted(load_environment(project, name).settings.hosted_clients.items()):
            url = list_address(settings.source)
            if url not in lists:
                try:
                    lists[url] = fetch_ranges(url)
                except (RefusedList, Unreachable) as error:
                    lists[url] = error
            comparisons.append(_compared(name, client, settings, url, lists[url]))
    return comparisons


def _compared(
    environment: str,
    client: str,
    settings: HostedClient,
    url: str,
    published: tuple[str, ...] | RefusedList | Unreachable,
) -> PublishedRanges:
    if isinstance(published, RefusedList):
        return PublishedRanges(
            environment,
            client,
            url,
            settings.addresses,
            problem=f"the list {published}; nothing of it is used",
            remedy="compare by hand what the vendor publishes, and correct source where it is not the list",
        )
    if isinstance(published, Unreachable):
        problem, remedy = published.problem, published.remedy or ""
        return PublishedRanges(environment, client, url, settings.addresses, problem=problem, remedy=remedy)
    return PublishedRanges(environment, client, url, settings.addresses, published)


def edits(project: Project, comparisons: Sequence[PublishedRanges]) -> list[FileChange]:
    """The changed stack files, read and found valid with the published ranges.

    Raises:
        InputError: a file cannot be edited safely, or its environment would refuse the ranges.
    """
    changes = []
    for name in dict.fromkeys(item.environment for item in comparisons if item.differs):
        file = project.stack_file(name)
        text = before = read_text(file)
        for item in comparisons:
            if item.environment == name and item.differs:
                path = (*CLIENTS, item.client, "addresses")
                try:
                    text = replace_list(text, path, item.published)
                except InputError as error:
                    raise InputError(
                        error.problem,
                        file=file,
                        key=".".join(map(str, path)),
                        remedy=error.remedy or "write the ranges there by hand",
                    ) from None
        load_staged(project, name, {file: text})
        changes.append(FileChange(file, before.encode(), text.encode()))
    return changes
