"""A client of the part of GitHub's REST API that `ringwall comment` needs.

Rate limits follow docs.github.com, "Best practices for using the REST API": a secondary limit is a 403 or 429.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from model.errors import Unreachable
from model.text import visible
from operations.pull_request.api import Comment, PullRequest, ReviewApi, checked_token, message_of
from wire.http import HttpAnswer, retry_after


class GitHub(ReviewApi):
    """A client of one GitHub, public or Enterprise; `repo` is ``owner/name``."""

    NAME = "GitHub"
    PUBLIC = "https://api.github.com"
    PERMISSION = "pull-requests: write"
    TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")
    RUN_FILES = "files below `.github/`"

    def __init__(self, api_url: str, repo: str, token: str, **time: Any) -> None:
        headers = {
            "authorization": f"Bearer {checked_token(token, self.NAME, self.TOKENS[0])}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        super().__init__(api_url, repo, headers, **time)
        self._repo = f"{self.api}/repos/{quote(repo, safe='/')}"

    def steers_run(self, name: str) -> bool:
        return name.startswith(".github/")

    def viewer(self) -> str:
        """The login the token writes as: ``octocat`` or ``github-actions[bot]``.

        Asked by GraphQL: REST's ``GET /user`` refuses the tokens of Apps, and so the GITHUB_TOKEN of a workflow.
        """
        base = self.api.removesuffix("/v3") if self.api.endswith("/api/v3") else self.api
        answer = self._json(self._call("POST", f"{base}/graphql", 200, body={"query": "query{viewer{login}}"}))
        try:
            login = answer["data"]["viewer"]["login"]
        except (KeyError, TypeError):
            login = None
        if not isinstance(login, str) or not login:
            raise Unreachable(
                f"{self._origin} does not say whom the token belongs to (GraphQL viewer)", remedy="use another token"
            )
        return login

    def pull(self, number: int) -> PullRequest:
        return self._pull(self._json(self._call("GET", f"{self._repo}/pulls/{number}", 200)))

    def open_pulls_of(self, owner: str, branch: str) -> list[PullRequest]:
        """Open pull requests from a branch of any repository of `owner`, as far as GitHub filters.

        GitHub ignores a `head` it cannot read and then lists every pull request: the caller compares the answers.
        """
        params = {"head": f"{owner}:{branch}", "state": "open", "per_page": "100"}
        return [self._pull(item) for item in self._pages(f"{self._repo}/pulls", params)]

    def changed_files(self, pull: PullRequest) -> tuple[list[tuple[str, ...]], bool]:
        """GitHub stops after 3,000 files."""
        files = []
        for item in self._pages(f"{self._repo}/pulls/{pull.number}/files", {"per_page": "100"}):
            names = [item.get("filename"), item.get("previous_filename")]
            if not isinstance(names[0], str):
                self._foreign("a file")
            files.append(tuple(name for name in names if isinstance(name, str)))
        return files, len(files) == pull.changed_files

    def comments(self, number: int) -> list[Comment]:
        path = f"{self._repo}/issues/{number}/comments"
        return [self._comment(item) for item in self._pages(path, {"per_page": "100"})]

    def create_comment(self, number: int, body: str) -> Comment:
        path = f"{self._repo}/issues/{number}/comments"
        return self._comment(self._json(self._call("POST", path, 201, body={"body": body}, repeat=False)))

    def update_comment(self, number: int, comment: int, body: str) -> None:
        self._call("PATCH", f"{self._repo}/issues/comments/{comment}", 200, body={"body": body})

    def delete_comment(self, number: int, comment: int) -> None:
        self._call("DELETE", f"{self._repo}/issues/comments/{comment}", 204, 404)

    def _pull(self, item: Any) -> PullRequest:
        try:
            head, base, files = item["head"], item["base"], item.get("changed_files", -1)
            repo = head["repo"]["full_name"].lower() if head["repo"] is not None else None
            pull = PullRequest(item["number"], item["state"], head["sha"], repo, base["ref"], files)
        except (KeyError, TypeError, AttributeError):
            self._foreign("a pull request")
        texts = (pull.state, pull.head_sha, pull.base)
        if type(pull.number) is not int or type(files) is not int or not all(isinstance(text, str) for text in texts):
            self._foreign("a pull request")
        return pull

    def _comment(self, item: Any) -> Comment:
        try:
            user = item["user"]
            author = None if user is None else user["login"]
            comment = Comment(item["id"], author, item["body"] or "", visible(item["html_url"]))
        except (KeyError, TypeError):
            self._foreign("a comment")
        if (
            type(comment.id) is not int
            or not isinstance(comment.body, str)
            or not isinstance(comment.author, str | None)
        ):
            self._foreign("a comment")
        return comment

    def _is_limit(self, answer: HttpAnswer) -> bool:
        limited = retry_after(answer.headers) is not None or answer.headers.get("x-ratelimit-remaining") == "0"
        named = "rate limit" in message_of(answer).lower()
        return answer.status == 429 or (answer.status == 403 and (limited or named))
