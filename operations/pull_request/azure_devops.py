"""A client of the part of Azure DevOps' REST API 7.1 that `ringwall comment` needs (learn.microsoft.com, "Git - Pull Request
Threads", "Pull Request Iteration Changes").

A comment is the first one of a thread of its own. The thread is closed, since an open one holds up a pull request whose
branch policy asks that comments be resolved.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from model.errors import InputError, Unreachable
from operations.pull_request.api import MAX_PAGES, Comment, PullRequest, ReviewApi, checked_token
from operations.pull_request.files import is_pipeline_file
from wire.http import HttpAnswer

_VERSION = "7.1"
_PAGE = 2000


class AzureDevOps(ReviewApi):
    """A client of one organization or collection, whose address `api_url` is; `repo` is ``project/repository``.

    Args:
        job_token: `token` is the job's own (System.AccessToken) and no personal one, which is sent in another way.
    """

    NAME = "Azure DevOps"
    PUBLIC = "https://dev.azure.com/ORGANIZATION"
    PERMISSION = "the permission Contribute to pull requests on the repository"
    TOKENS = ("SYSTEM_ACCESSTOKEN", "AZURE_DEVOPS_EXT_PAT")
    RUN_FILES = "YAML files that are no stack files"

    def __init__(self, api_url: str, repo: str, token: str, *, job_token: bool, **time: Any) -> None:
        checked = checked_token(token, self.NAME, self.TOKENS[0 if job_token else 1])
        personal = base64.b64encode(f":{checked}".encode()).decode()
        headers = {
            "authorization": f"Bearer {checked}" if job_token else f"Basic {personal}",
            "accept": f"application/json;api-version={_VERSION}",
            # A refused token is a 401 then, and not a page to sign in.
            "x-tfs-fedauthredirect": "Suppress",
        }
        super().__init__(api_url, repo, headers, **time)
        project, _, name = repo.partition("/")
        if not project or not name or "/" in name:
            raise InputError("--repo is not PROJECT/REPOSITORY", remedy="write it such as Perimeters/stacks")
        self._repo = f"{self.api}/{quote(project, safe='')}/_apis/git/repositories/{quote(name, safe='')}"

    def steers_run(self, name: str) -> bool:
        return is_pipeline_file(name)

    def viewer(self) -> str:
        """The identity's number, since names of build services are not unique."""
        params = {"api-version": f"{_VERSION}-preview"}
        answer = self._json(self._call("GET", f"{self.api}/_apis/connectionData", 200, params=params))
        try:
            identity = answer["authenticatedUser"]["id"]
        except (KeyError, TypeError):
            identity = None
        if not isinstance(identity, str) or not identity.strip("0-"):
            raise Unreachable(f"{self._origin} does not say whom the token belongs to", remedy="use another token")
        return identity

    def pull(self, number: int) -> PullRequest:
        item = self._json(self._call("GET", f"{self._repo}/pullrequests/{number}", 200, params=self._params()))
        try:
            state = "open" if item["status"] == "active" else item["status"]
            head, base = item["lastMergeSourceCommit"]["commitId"], item["targetRefName"].removeprefix("refs/heads/")
            pull = PullRequest(item["pullRequestId"], state, head, None, base)
        except (KeyError, TypeError, AttributeError):
            self._foreign("a pull request")
        if type(pull.number) is not int or not isinstance(pull.state, str) or not isinstance(pull.head_sha, str):
            self._foreign("a pull request")
        return pull

    def changed_files(self, pull: PullRequest) -> tuple[list[tuple[str, ...]], bool]:
        """The files of the last push, beside the common commit of both branches (`$compareTo` 0)."""
        path = f"{self._pull_path(pull.number)}/iterations"
        iterations = self._list(self._call("GET", path, 200, params=self._params()), "value")
        try:
            last = max(iterations, key=lambda item: int(item["id"]))
            current = last["sourceRefCommit"]["commitId"] == pull.head_sha
            changes = f"{path}/{int(last['id'])}/changes"
        except (KeyError, TypeError, ValueError):
            self._foreign("an iteration")
        files = []
        skip = 0
        for _ in range(MAX_PAGES):
            params = self._params({"$top": str(_PAGE), "$skip": str(skip), "$compareTo": "0"})
            answer = self._call("GET", changes, 200, params=params)
            files += [self._names(item) for item in self._list(answer, "changeEntries")]
            following = answer.member("nextSkip") or 0
            if type(following) is not int or (following and following <= skip):
                self._foreign("a next page")
            skip = following
            if not skip:
                return files, current
        return files, False

    def comments(self, number: int) -> list[Comment]:
        threads = self._list(self._call("GET", self._threads(number), 200, params=self._params()), "value")
        return [comment for thread in threads if (comment := self._comment(thread)) is not None]

    def create_comment(self, number: int, body: str) -> Comment:
        content = {"parentCommentId": 0, "content": body, "commentType": "text"}
        thread = {"comments": [content], "status": "closed"}
        answer = self._call("POST", self._threads(number), 200, body=thread, params=self._params(), repeat=False)
        comment = self._comment(self._json(answer))
        if comment is None:
            self._foreign("a thread")
        return comment

    def update_comment(self, number: int, comment: int, body: str) -> None:
        path = f"{self._threads(number)}/{comment}/comments/1"
        self._call("PATCH", path, 200, body={"content": body}, params=self._params())

    def delete_comment(self, number: int, comment: int) -> None:
        self._call("DELETE", f"{self._threads(number)}/{comment}/comments/1", 200, 204, 404, params=self._params())

    def _pull_path(self, number: int) -> str:
        return f"{self._repo}/pullRequests/{number}"

    def _threads(self, number: int) -> str:
        return f"{self._pull_path(number)}/threads"

    def _params(self, further: dict[str, str] | None = None) -> dict[str, str]:
        return {"api-version": _VERSION, **(further or {})}

    def _list(self, answer: HttpAnswer, name: str) -> list[dict[str, Any]]:
        items = answer.member(name)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            self._foreign("a list")
        return items

    def _names(self, item: dict[str, Any]) -> tuple[str, ...]:
        """A changed file's path, without the slash Azure DevOps puts before it, and its old one."""
        entry = item.get("item")
        names = [entry.get("path") if isinstance(entry, dict) else None, item.get("originalPath")]
        texts = tuple(name.removeprefix("/") for name in names if isinstance(name, str))
        if not texts:
            self._foreign("a file")
        return texts

    def _comment(self, thread: Any) -> Comment | None:
        """The first comment of a thread; None where the host wrote it, or it was deleted."""
        try:
            first = next((item for item in thread["comments"] or [] if item["id"] == 1), None)
            if first is None or thread.get("isDeleted") or first.get("isDeleted"):
                return None
            if first["commentType"] == "system":
                return None
            comment = Comment(thread["id"], first["author"]["id"], first.get("content") or "", None)
        except (KeyError, TypeError, AttributeError):
            self._foreign("a thread")
        if type(comment.id) is not int or not isinstance(comment.body, str) or not isinstance(comment.author, str):
            self._foreign("a thread")
        return comment

    def _problem(self, method: str, url: str, answer: HttpAnswer) -> Unreachable:
        # 203 with a page to sign in is how a wrong personal token is answered.
        refused = HttpAnswer(401, answer.headers, b"", answer.url) if answer.status == 203 else answer
        return super()._problem(method, url, refused)
