"""Small GitLab and Azure DevOps REST APIs over real HTTP, as strict as those are about what `ringwall comment` sends.

Written from docs.gitlab.com ("Notes API", "Merge requests API") and learn.microsoft.com ("Git - Pull Request Threads", "Pull
Request Iteration Changes", "Connection Data"). Where those are silent an unknown path, parameter or member is refused.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tests.support.json_api import Reply, json_api

TOKEN = "planted-0123456789"
SHA = "a" * 40
StandIn = TypeVar("StandIn", bound="ReviewStandIn")
MISSING: Reply = (404, {}, {"message": "404 Not found"})


@dataclass
class Remark:
    """A comment: its author, its text, and whether the host wrote it."""

    author: str
    body: str
    system: bool = False


@dataclass
class ReviewStandIn:
    """What both share: one pull request with number 7, its files and remarks, faults, and a log of writes."""

    uri: str = ""
    sha: str = SHA
    state: str = ""
    may_write: bool = True
    files: list[tuple[str, str]] = field(default_factory=lambda: [("stacks/Pulumi.dev.yaml", "stacks/Pulumi.dev.yaml")])
    remarks: dict[int, Remark] = field(default_factory=dict)
    #: Answers for the next writes, instead of carrying them out; None: carry it out and drop the connection.
    faults: list[Reply | None] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(31))

    ME = ""

    def say(self, body: str, author: str = "", *, system: bool = False) -> int:
        number = next(self._ids)
        self.remarks[number] = Remark(author or self.ME, body, system)
        return number

    def bodies(self) -> list[str]:
        return [remark.body for remark in self.remarks.values() if remark.author == self.ME and not remark.system]

    def handle(self, method: str, url: str, headers: dict[str, str], body: Any) -> Reply | None:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        if (refusal := self.refusal(headers)) is not None:
            return refusal
        path = [unquote(part) for part in parts.path.split("/")[1:]]
        if method != "GET":
            self.writes.append(method)
            if not self.may_write:
                return self.forbidden()
            if self.faults:
                fault = self.faults.pop(0)
                if fault is None:
                    self.answer(method, path, query, body)
                return fault
        return self.answer(method, path, query, body)

    def refusal(self, headers: dict[str, str]) -> Reply | None:
        raise NotImplementedError

    def forbidden(self) -> Reply:
        raise NotImplementedError

    def answer(self, method: str, path: list[str], query: dict[str, str], body: Any) -> Reply:
        raise NotImplementedError


@dataclass
class GitLabStandIn(ReviewStandIn):
    """Project 4711, ``acme/stacks``, below ``/api/v4``."""

    state: str = "opened"
    count: str | None = None

    ME = "project_4711_bot_ab12"

    @property
    def api(self) -> str:
        return f"{self.uri}/api/v4"

    def refusal(self, headers: dict[str, str]) -> Reply | None:
        return None if headers.get("private-token") == TOKEN else (401, {}, {"message": "401 Unauthorized"})

    def forbidden(self) -> Reply:
        return 403, {}, {"error": "insufficient_scope", "scope": "api"}

    def answer(self, method: str, path: list[str], query: dict[str, str], body: Any) -> Reply:
        if path == ["api", "v4", "user"] and method == "GET":
            return 200, {}, {"id": 5, "username": self.ME, "name": "ringwall", "bot": True}
        if path[:3] != ["api", "v4", "projects"] or path[3] not in ("4711", "acme/stacks"):
            return MISSING
        if path[4:6] != ["merge_requests", "7"]:
            return MISSING
        match (method, path[6:]):
            case ("GET", []):
                return 200, {}, self.merge_request()
            case ("GET", ["diffs"]):
                rows = [{"new_path": new, "old_path": old, "diff": ""} for new, old in self.files]
                return self.page(path, rows, query)
            case ("GET", ["notes"]):
                assert query.pop("sort") == "asc"
                assert query.pop("order_by") == "created_at"
                return self.page(path, [self.note(number) for number in sorted(self.remarks)], query)
            case ("POST", ["notes"]) if list(body) == ["body"] and body["body"]:
                return 201, {}, self.note(self.say(body["body"]))
            case ("PUT", ["notes", number]) if int(number) in self.remarks and list(body) == ["body"]:
                self.remarks[int(number)].body = body["body"]
                return 200, {}, self.note(int(number))
            case ("DELETE", ["notes", number]) if int(number) in self.remarks and body is None:
                del self.remarks[int(number)]
                return 204, {}, None
        return MISSING

    def merge_request(self) -> dict[str, Any]:
        count = self.count or str(len(self.files))
        more = {"source_branch": "topic", "target_branch": "main", "source_project_id": 4711, "target_project_id": 4711}
        return {"id": 99, "iid": 7, "state": self.state, "sha": self.sha, "changes_count": count, **more}

    def note(self, number: int) -> dict[str, Any]:
        remark = self.remarks[number]
        author = {"id": 5, "username": remark.author, "name": "somebody"}
        return {"id": number, "body": remark.body, "author": author, "system": remark.system, "noteable_iid": 7}

    def page(self, path: list[str], rows: list[Any], query: dict[str, str]) -> Reply:
        size, number = int(query.pop("per_page", "20")), int(query.pop("page", "1"))
        assert not query
        assert size <= 100
        headers = {}
        if len(rows) > size * number:
            more: dict[str, Any] = {"per_page": size, "page": number + 1}
            if path[-1] == "notes":
                more |= {"sort": "asc", "order_by": "created_at"}
            quoted = "/".join([*path[:3], "4711", *path[4:]])
            headers["link"] = f'<{self.uri}/{quoted}?{urlencode(more)}>; rel="next"'
        return 200, headers, rows[size * (number - 1) : size * number]


@dataclass
class AzureDevOpsStandIn(ReviewStandIn):
    """Organization ``acme``, project ``Perimeters``, repository ``our stacks``; a remark is the first of a thread."""

    state: str = "active"
    #: The commit of the last push in the list, where it is not the head.
    listed_sha: str | None = None
    #: Whether the token is a job's.
    job: bool = True
    #: Entries of changed files in one page, fewer than asked for.
    page_size: int = 2

    ME = "0a1b2c3d-0000-4000-8000-0000000000aa"

    @property
    def api(self) -> str:
        return f"{self.uri}/acme/"

    def refusal(self, headers: dict[str, str]) -> Reply | None:
        personal = f"Basic {base64.b64encode(f':{TOKEN}'.encode()).decode()}"
        if headers.get("authorization") != (f"Bearer {TOKEN}" if self.job else personal):
            return 203, {"content-type": "text/html"}, "<html>Sign In</html>"
        return None

    def forbidden(self) -> Reply:
        message = "TF401027: You need the Git 'PullRequestContribute' permission to perform this action."
        return 403, {}, {"$id": "1", "message": message, "typeKey": "GitNeedsPermissionException"}

    def answer(self, method: str, path: list[str], query: dict[str, str], body: Any) -> Reply:
        if path == ["acme", "_apis", "connectionData"]:
            assert query == {"api-version": "7.1-preview"}
            return 200, {}, {"authenticatedUser": {"id": self.ME, "providerDisplayName": "Build Service"}}
        if query.pop("api-version", None) != "7.1":
            return 400, {}, {"message": "No api-version was supplied"}
        if path[:5] != ["acme", "Perimeters", "_apis", "git", "repositories"] or path[5] != "our stacks":
            return MISSING
        # The last segments are not told apart by their case.
        if [part.lower() for part in path[6:8]] != ["pullrequests", "7"]:
            return MISSING
        match (method, path[8:]):
            case ("GET", []):
                commit, branches = {"commitId": self.sha}, {"targetRefName": "refs/heads/main"}
                return 200, {}, {"pullRequestId": 7, "status": self.state, "lastMergeSourceCommit": commit, **branches}
            case ("GET", ["iterations"]):
                rows = [{"id": 1, "sourceRefCommit": {"commitId": "c" * 40}}]
                rows.append({"id": 2, "sourceRefCommit": {"commitId": self.listed_sha or self.sha}})
                return 200, {}, {"value": rows, "count": 2}
            case ("GET", ["iterations", "2", "changes"]):
                return self.changes(query)
            case ("GET", ["threads"]) if not query:
                return 200, {}, {"value": [self.thread(number) for number in self.remarks], "count": len(self.remarks)}
            case ("POST", ["threads"]) if not query:
                (content,) = body["comments"]
                assert body == {"comments": [content], "status": "closed"}
                assert content == {"parentCommentId": 0, "content": content["content"], "commentType": "text"}
                return 200, {}, self.thread(self.say(content["content"]))
            case ("PATCH", ["threads", number, "comments", "1"]) if int(number) in self.remarks:
                assert list(body) == ["content"]
                self.remarks[int(number)].body = body["content"]
                return 200, {}, self.thread(int(number))["comments"][0]
            case ("DELETE", ["threads", number, "comments", "1"]) if int(number) in self.remarks:
                del self.remarks[int(number)]
                return 200, {}, None
        return MISSING

    def changes(self, query: dict[str, str]) -> Reply:
        skip = int(query.pop("$skip"))
        assert query == {"$top": "2000", "$compareTo": "0"}
        rows = []
        for path, old in self.files[skip : skip + self.page_size]:
            moved = {"originalPath": f"/{old}"} if old != path else {}
            rows.append({"changeId": 1, "item": {"path": f"/{path}"}, "changeType": "edit", **moved})
        following = skip + self.page_size
        more = following < len(self.files)
        return 200, {}, {"changeEntries": rows, "nextSkip": following if more else 0, "nextTop": 2000 if more else 0}

    def thread(self, number: int) -> dict[str, Any]:
        remark = self.remarks[number]
        kind = "system" if remark.system else "text"
        first = {"id": 1, "parentCommentId": 0, "author": {"id": remark.author, "displayName": "Somebody"}}
        reply = {"id": 2, "parentCommentId": 1, "author": {"id": self.ME}, "content": "thanks", "commentType": "text"}
        return {
            "id": number,
            "comments": [{**first, "content": remark.body, "commentType": kind}, reply],
            "isDeleted": False,
            "status": "closed",
        }


@contextmanager
def serving(stand_in: StandIn) -> Iterator[StandIn]:
    with json_api(stand_in.handle) as uri:
        stand_in.uri = uri
        yield stand_in
