"""A client of the part of GitLab's REST API that `ringwall comment` needs.

The paths are those of docs.gitlab.com, "Notes API" and "Merge requests API".
A project access token is an account of its own, and `GET /user` names it. A job token cannot write notes.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from model.errors import Unreachable
from operations.pull_request.api import Comment, PullRequest, ReviewApi, checked_token
from operations.pull_request.files import is_pipeline_file


class GitLab(ReviewApi):
    """A client of one GitLab; `repo` is a project's number or path."""

    NAME = "GitLab"
    PUBLIC = "https://gitlab.com/api/v4"
    NOUN = "merge request"
    PERMISSION = "the scope api and at least the role Reporter in the target project"
    TOKENS = ("GITLAB_TOKEN",)
    RUN_FILES = "YAML files that are no stack files"

    def __init__(self, api_url: str, repo: str, token: str, **time: Any) -> None:
        super().__init__(api_url, repo, {"private-token": checked_token(token, self.NAME, self.TOKENS[0])}, **time)
        self._repo = f"{self.api}/projects/{quote(repo, safe='')}"

    def steers_run(self, name: str) -> bool:
        return is_pipeline_file(name) or name.startswith(".gitlab/")

    def viewer(self) -> str:
        answer = self._json(self._call("GET", f"{self.api}/user", 200))
        name = answer.get("username") if isinstance(answer, dict) else None
        if not isinstance(name, str) or not name:
            raise Unreachable(f"{self._origin} does not say whom the token belongs to", remedy="use another token")
        return name

    def pull(self, number: int) -> PullRequest:
        item = self._json(self._call("GET", f"{self._repo}/merge_requests/{number}", 200))
        try:
            state = "open" if item["state"] in ("opened", "locked") else item["state"]
            # A text, and "1000+" from there on.
            count = str(item["changes_count"])
            files = int(count) if count.isdecimal() else -1
            pull = PullRequest(item["iid"], state, item["sha"], None, item["target_branch"], files)
        except (KeyError, TypeError):
            self._foreign("a merge request")
        texts = (pull.state, pull.head_sha, pull.base)
        if type(pull.number) is not int or not all(isinstance(text, str) for text in texts):
            self._foreign("a merge request")
        return pull

    def changed_files(self, pull: PullRequest) -> tuple[list[tuple[str, ...]], bool]:
        files = []
        for item in self._pages(f"{self._repo}/merge_requests/{pull.number}/diffs", {"per_page": "100"}):
            names = (item.get("new_path"), item.get("old_path"))
            if not all(isinstance(name, str) for name in names):
                self._foreign("a file")
            files.append(tuple(str(name) for name in names))
        return files, len(files) == pull.changed_files

    def comments(self, number: int) -> list[Comment]:
        items = self._pages(self._notes(number), {"per_page": "100", "sort": "asc", "order_by": "created_at"})
        return [self._comment(item) for item in items if item.get("system") is not True]

    def create_comment(self, number: int, body: str) -> Comment:
        answer = self._call("POST", self._notes(number), 201, body={"body": body}, repeat=False)
        return self._comment(self._json(answer))

    def update_comment(self, number: int, comment: int, body: str) -> None:
        self._call("PUT", f"{self._notes(number)}/{comment}", 200, body={"body": body})

    def delete_comment(self, number: int, comment: int) -> None:
        self._call("DELETE", f"{self._notes(number)}/{comment}", 204, 404)

    def _notes(self, number: int) -> str:
        return f"{self._repo}/merge_requests/{number}/notes"

    def _comment(self, item: Any) -> Comment:
        try:
            author = None if item["author"] is None else item["author"]["username"]
            comment = Comment(item["id"], author, item["body"] or "", None)
        except (KeyError, TypeError):
            self._foreign("a note")
        if (
            type(comment.id) is not int
            or not isinstance(comment.body, str)
            or not isinstance(comment.author, str | None)
        ):
            self._foreign("a note")
        return comment
