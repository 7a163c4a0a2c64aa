"""A small GitHub REST API over real HTTP, as strict as GitHub is about what `ringwall comment` sends.

Unknown paths and repositories are 404, a missing or wrong token 401, a token without the permission 403, a body over
65,536 characters 422. Lists come in pages whose Link header names ``/repositories/ID/...`` as GitHub's does, and a `head`
that is not ``owner:branch`` is ignored, as GitHub ignores it. Requests without the headers GitHub asks for are 400.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.json_api import Reply, json_api

TOKEN = "ghs_planted0123456789"
REPO = "acme/perimeters"
BOT = "github-actions[bot]"
SHA = "a" * 40


@dataclass
class Fault:
    """Answer the next request of this method and path suffix so; `done` carries it out first, `drop` sends nothing."""

    method: str
    suffix: str
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "Server Error"
    done: bool = False
    drop: bool = False


@dataclass
class GitHubStandIn:
    """Its state, and a log of every request: ``(method, path with query, body)``."""

    prefix: str = ""
    login: str = BOT
    #: False: may read only.
    may_write: bool = True
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    conversation: dict[int, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str, Any]] = field(default_factory=list)
    #: The address in Link headers and redirects, when it is not the true one.
    elsewhere: str | None = None
    #: Once a path with this end was answered, a push moves every pull request on.
    push_after: str | None = None
    #: An earlier name of the repository.
    renamed_from: str | None = None
    #: What another client does once the next comment is posted.
    rival: str | None = None
    uri: str = ""
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))

    @property
    def api(self) -> str:
        return self.uri + self.prefix

    def pull(self, number: int = 7, *, head: str = "fork/perimeters", branch: str = "topic", **more: Any) -> None:
        """An open pull request that changes one stack file."""
        self.files.setdefault(number, [{"filename": "stacks/Pulumi.dev.yaml", "status": "modified"}])
        self.pulls[number] = {
            "number": number,
            "state": "open",
            "head": {"sha": SHA, "ref": branch, "repo": {"full_name": head}, "label": f"{head.split('/')[0]}:{branch}"},
            "base": {"ref": "main", "repo": {"full_name": REPO}},
            **more,
        }

    def say(self, body: str, author: str | None = BOT, number: int = 7) -> int:
        """Put a comment there; gives its id."""
        id = next(self._ids)
        user = None if author is None else {"login": author, "type": "Bot" if author.endswith("[bot]") else "User"}
        url = f"https://github.example/{REPO}/pull/{number}#issuecomment-{id}"
        self.conversation[id] = {"id": id, "body": body, "user": user, "html_url": url, "number": number}
        return id

    def bodies(self, author: str = BOT) -> list[str]:
        """Texts by one author, oldest first."""
        return [c["body"] for _, c in sorted(self.conversation.items()) if c["user"] and c["user"]["login"] == author]

    def writes(self) -> list[tuple[str, str]]:
        """Method and last part of the path of every write, in order."""
        return [
            (method, path.rsplit("/", 1)[1])
            for method, path, _ in self.log
            if method != "GET" and not path.endswith("/graphql")
        ]

    def handle(self, method: str, url: str, headers: dict[str, str], body: Any) -> Reply | None:
        self.log.append((method, url, body))
        parts = urlsplit(url)
        fault = next((f for f in self.faults if f.method == method and parts.path.endswith(f.suffix)), None)
        if fault is not None:
            self.faults.remove(fault)
            if fault.done:
                self.answer(method, parts.path, dict(parse_qsl(parts.query)), body)
            return None if fault.drop else (fault.status, fault.headers, {"message": fault.message})
        wrong = {
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }.items() - headers.items()
        if wrong or not headers.get("user-agent") or (body is not None) != ("content-type" in headers):
            return 400, {}, {"message": f"headers: {sorted(wrong)}"}
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {}, {"message": "Bad credentials"}
        reply = self.answer(method, parts.path, dict(parse_qsl(parts.query)), body)
        if self.push_after is not None and parts.path.endswith(self.push_after):
            self.pulls = {n: {**pull, "head": {**pull["head"], "sha": "b" * 40}} for n, pull in self.pulls.items()}
        return reply

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        graphql = "/api/graphql" if self.prefix == "/api/v3" else f"{self.prefix}/graphql"
        if (method, path) == ("POST", graphql) and body == {"query": "query{viewer{login}}"}:
            return 200, {}, {"data": {"viewer": {"login": self.login}}}
        if path == f"{self.prefix}/user":
            return 403, {}, {"message": "Resource not accessible by integration"}
        known = (f"{self.prefix}/repos/{REPO}/", f"{self.prefix}/repositories/4711/")
        old = f"{self.prefix}/repos/{self.renamed_from}/"
        if self.renamed_from and path.startswith(old):
            target = f"{self.elsewhere or self.uri}{known[1]}{path.removeprefix(old)}"
            where = f"{target}?{urlencode(query)}" if query else target
            return (301 if method == "GET" else 307), {"location": where}, {"message": "Moved Permanently"}
        prefix = next((p for p in known if path.startswith(p)), None)
        if prefix is None:
            return 404, {}, {"message": "Not Found"}
        if method != "GET" and not self.may_write:
            return 403, {}, {"message": "Resource not accessible by integration"}
        return self.resource(method, path.removeprefix(prefix).split("/"), query, body)

    def resource(self, method: str, path: list[str], query: dict[str, str], body: Any) -> Reply:
        missing: Reply = (404, {}, {"message": "Not Found"})
        match (method, path):
            case ("GET", ["pulls"]):
                pulls = [p for p in self.pulls.values() if p["state"] == query.get("state", "open")]
                if ":" in query.get("head", ""):
                    pulls = [p for p in pulls if p["head"]["label"] == query["head"]]
                return self.page("pulls", pulls, query)
            case ("GET", ["pulls", number]) if int(number) in self.pulls:
                return 200, {}, {"changed_files": len(self.files[int(number)]), **self.pulls[int(number)]}
            case ("GET", ["pulls", number, "files"]) if int(number) in self.pulls:
                return self.page("/".join(path), self.files[int(number)], query)
            case ("GET", ["issues", number, "comments"]) if int(number) in self.pulls:
                there = [c for _, c in sorted(self.conversation.items()) if c["number"] == int(number)]
                return self.page("/".join(path), there, query)
            case ("POST", ["issues", number, "comments"]) if int(number) in self.pulls:
                if problem := _unfit(body):
                    return problem
                if self.rival is not None:
                    self.say(self.rival, number=int(number))
                    self.rival = None
                return 201, {}, self.conversation[self.say(body["body"], self.login, int(number))]
            case ("PATCH", ["issues", "comments", id]) if int(id) in self.conversation:
                if problem := _unfit(body):
                    return problem
                self.conversation[int(id)]["body"] = body["body"].replace("\n", "\r\n")
                return 200, {}, self.conversation[int(id)]
            case ("DELETE", ["issues", "comments", id]) if int(id) in self.conversation:
                del self.conversation[int(id)]
                return 204, {}, None
        return missing

    def page(self, path: str, items: list[Any], query: dict[str, str]) -> Reply:
        size, number = min(int(query.get("per_page", "30")), 100), int(query.get("page", "1"))
        headers = {}
        if len(items) > size * number:
            more = urlencode({**query, "page": number + 1})
            address = f"{self.elsewhere or self.uri}{self.prefix}/repositories/4711/{path}"
            headers["link"] = f'<{address}?page=1>; rel="first", <{address}?{more}>; rel="next"'
        return 200, headers, items[size * (number - 1) : size * number]


def _unfit(body: Any) -> Reply | None:
    if not isinstance(body, dict) or list(body) != ["body"] or not isinstance(body["body"], str):
        return 422, {}, {"message": "Validation Failed"}
    if len(body["body"]) > 65_536:
        return 422, {}, {"message": "Body is too long (maximum is 65536 characters)"}
    return None


@contextmanager
def github_api(**state: Any) -> Iterator[GitHubStandIn]:
    """A stand-in on a loopback port, with pull request 7 open from ``fork:topic``."""
    stand_in = GitHubStandIn(**state)
    with json_api(stand_in.handle) as uri:
        stand_in.uri = uri
        stand_in.pull()
        yield stand_in
