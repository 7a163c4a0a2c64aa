"""A client of the part of GitHub's REST API that `ringwall comment` needs. The token goes to the API's own origin only.

Retries follow docs.github.com, "Best practices for using the REST API": `retry-after` first, then `x-ratelimit-reset`
where no request is left, else a minute and longer for a secondary limit. A write whose outcome is unknown is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urljoin, urlsplit

import httpx

from model import effects
from model.base import split_url
from model.errors import InputError, Unreachable
from model.loopback import is_loopback
from model.text import visible
from wire.http import HttpAnswer, HttpPolicy, RefusedAnswer, exchange, reason_of, retry_after, whole_seconds

PUBLIC_API = "https://api.github.com"
TIMEOUT = httpx.Timeout(20, connect=10)
#: For one whole answer, so that one byte a second does not hold the job up.
DEADLINE = 60.0
MAX_ANSWER = 64 * 1024 * 1024
ATTEMPTS = 5
#: Seconds all waits of one client may take together.
MAX_WAIT = 300.0
#: Of 100 entries each. GitHub lists no more than 3,000 changed files of a pull request.
MAX_PAGES = 100
MAX_REDIRECTS = 3
_PERMISSION = "pull-requests: write"
_LATER = "try again later"


class Unsure(Unreachable):
    """A write was sent and GitHub did not answer, so it may have been done."""


@dataclass(frozen=True)
class PullRequest:
    """`head_repo` is ``owner/name`` in small letters, None when the fork is gone; `changed_files` is -1 in lists."""

    number: int
    state: str
    head_sha: str
    head_repo: str | None
    base: str
    changed_files: int = -1


@dataclass(frozen=True)
class Comment:
    """A comment of a pull request's conversation. `author` is None for a deleted account; a lower `id` is older."""

    id: int
    author: str | None
    body: str
    url: str


class GitHub:
    """A client of one GitHub; a context manager.

    Every method raises `Unreachable` for any answer that is not the expected one, after the retries that make sense.

    Args:
        api_url: such as ``https://api.github.com`` or ``https://github.example.com/api/v3``; http on loopback only.
        token: sent as a bearer token to that origin alone, never shown.
        sleep, clock: the time, for tests; `clock` gives Unix seconds.
    """

    def __init__(
        self,
        api_url: str,
        token: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.api = _checked_url(api_url)
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise InputError("the GitHub token holds characters that no token has", remedy="set GITHUB_TOKEN anew")
        self._origin = _origin(self.api)
        self._sleep, self._clock = sleep, clock
        self._waited = 0.0
        self._http = HttpPolicy(self.api, proxies=True).client(
            headers={
                "authorization": f"Bearer {token}",
                "accept": "application/vnd.github+json",
                "x-github-api-version": "2022-11-28",
                "user-agent": "ringwall",
            },
            timeout=TIMEOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def viewer(self) -> str:
        """The login the token writes as, spelled as in a comment's author: ``octocat`` or ``github-actions[bot]``.

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

    def pull(self, repo: str, number: int) -> PullRequest:
        """One pull request, with its number of changed files."""
        return self._pull(self._json(self._call("GET", f"{self._repo(repo)}/pulls/{number}", 200)))

    def open_pulls_of(self, repo: str, owner: str, branch: str) -> list[PullRequest]:
        """Open pull requests into `repo` from a branch of any repository of `owner`, as far as GitHub filters.

        GitHub ignores a `head` it cannot read and then lists every pull request: the caller compares the answers.
        """
        params = {"head": f"{owner}:{branch}", "state": "open", "per_page": "100"}
        return [self._pull(item) for item in self._pages(f"{self._repo(repo)}/pulls", params)]

    def changed_files(self, repo: str, number: int) -> list[tuple[str, ...]]:
        """Each file a pull request touches: its path, and its old one where it moved. GitHub stops after 3,000."""
        files = []
        for item in self._pages(f"{self._repo(repo)}/pulls/{number}/files", {"per_page": "100"}):
            names = [item.get("filename"), item.get("previous_filename")]
            if not isinstance(names[0], str):
                raise Unreachable(f"{self._origin}: a file in the list is not GitHub's")
            files.append(tuple(name for name in names if isinstance(name, str)))
        return files

    def comments(self, repo: str, number: int) -> list[Comment]:
        """Every comment of the conversation, page by page."""
        path = f"{self._repo(repo)}/issues/{number}/comments"
        return [self._comment(item) for item in self._pages(path, {"per_page": "100"})]

    def create_comment(self, repo: str, number: int, body: str) -> Comment:
        """Add a comment.

        Raises:
            Unsure: the answer did not come; look whether the comment is there before trying again.
        """
        path = f"{self._repo(repo)}/issues/{number}/comments"
        return self._comment(self._json(self._call("POST", path, 201, body={"body": body}, repeat=False)))

    def update_comment(self, repo: str, comment: int, body: str) -> Comment:
        """Give a comment another text."""
        path = f"{self._repo(repo)}/issues/comments/{comment}"
        return self._comment(self._json(self._call("PATCH", path, 200, body={"body": body})))

    def delete_comment(self, repo: str, comment: int) -> None:
        """Delete a comment; one that is gone already is fine."""
        self._call("DELETE", f"{self._repo(repo)}/issues/comments/{comment}", 204, 404)

    def _repo(self, repo: str) -> str:
        return f"{self.api}/repos/{quote(repo, safe='/')}"

    def _pages(self, url: str, params: dict[str, str]) -> Iterator[dict[str, Any]]:
        query: dict[str, str] | None = params
        for _ in range(MAX_PAGES):
            answer = self._call("GET", url, 200, params=query)
            items = self._json(answer)
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise Unreachable(
                    f"{self._origin} answered GET {_path(url)} with no list", remedy="is it GitHub's API?"
                )
            yield from items
            following = _next(answer.headers.get("link", ""))
            if following is None:
                return
            url, query = self._same_origin(answer.url, following, "a next page"), None
        raise Unreachable(f"{self._origin}: the list at {_path(url)} does not end after {MAX_PAGES} pages")

    def _pull(self, item: Any) -> PullRequest:
        try:
            head, base, files = item["head"], item["base"], item.get("changed_files", -1)
            repo = head["repo"]["full_name"].lower() if head["repo"] is not None else None
            pull = PullRequest(item["number"], item["state"], head["sha"], repo, base["ref"], files)
        except (KeyError, TypeError, AttributeError):
            raise Unreachable(f"{self._origin}: a pull request in the answer is not GitHub's") from None
        texts = (pull.state, pull.head_sha, pull.base)
        if type(pull.number) is not int or type(files) is not int or not all(isinstance(text, str) for text in texts):
            raise Unreachable(f"{self._origin}: a pull request in the answer is not GitHub's")
        return pull

    def _comment(self, item: Any) -> Comment:
        try:
            user = item["user"]
            comment = Comment(
                item["id"], None if user is None else user["login"], item["body"] or "", visible(item["html_url"])
            )
        except (KeyError, TypeError):
            raise Unreachable(f"{self._origin}: a comment in the answer is not GitHub's") from None
        if (
            type(comment.id) is not int
            or not isinstance(comment.body, str)
            or not isinstance(comment.author, str | None)
        ):
            raise Unreachable(f"{self._origin}: a comment in the answer is not GitHub's")
        return comment

    def _json(self, answer: HttpAnswer) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise Unreachable(f"{self._origin} does not answer in JSON", remedy="correct --api-url") from None

    def _call(
        self,
        method: str,
        url: str,
        *expected: int,
        body: Any = None,
        params: dict[str, str] | None = None,
        repeat: bool = True,
    ) -> HttpAnswer:
        """Send a request, with retries; `repeat` says whether sending it twice does no harm."""
        attempt = redirects = 0
        while True:
            attempt += 1
            last = attempt == ATTEMPTS
            try:
                answer = self._send(method, url, body, params)
            except httpx.HTTPError as error:
                text = f"{self._origin} does not answer {method} {_path(url)} ({reason_of(error)})"
                if not repeat and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    raise Unsure(text, remedy=_LATER) from None
                if last:
                    raise Unreachable(text, remedy=_LATER) from None
                self._wait(2.0 ** (attempt - 1), f"{text}; {_LATER}")
                continue
            if answer.status in expected:
                return answer
            if 300 <= answer.status < 400:
                redirects += 1
                url, params = self._redirect(method, answer, redirects), None
                attempt -= 1
                continue
            problem = self._problem(method, url, answer)
            if (pause := self._limited(answer, attempt)) is not None:
                if last:
                    raise problem
                self._wait(pause, str(problem))
            elif answer.status in (500, 502, 503, 504):
                if not repeat:
                    raise Unsure(problem.problem, remedy=problem.remedy)
                if last:
                    raise problem
                self._wait(retry_after(answer.headers) or 2.0 ** (attempt - 1), str(problem))
            else:
                raise problem

    def _send(self, method: str, url: str, body: Any, params: dict[str, str] | None) -> HttpAnswer:
        effects.request(method, "GitHub")
        try:
            return exchange(self._http, method, url, limit=MAX_ANSWER, deadline=DEADLINE, json=body, params=params)
        except RefusedAnswer as error:
            raise Unreachable(f"{self._origin}: {error}; that is not GitHub's API") from None

    def _redirect(self, method: str, answer: HttpAnswer, count: int) -> str:
        target = answer.headers.get("location", "")
        keeps_method = answer.status in (307, 308) or (method == "GET" and answer.status in (301, 302))
        if not target or not keeps_method or count > MAX_REDIRECTS:
            raise Unreachable(
                f"{self._origin} answered {method} {_path(answer.url)} with {answer.status}",
                remedy="if the repository was renamed, give its new name as --repo",
            )
        return self._same_origin(answer.url, target, "a redirect")

    def _same_origin(self, current: str, target: str, subject: str) -> str:
        url = urljoin(current, target)
        # The token goes along, so nothing the answer says may send it elsewhere.
        if _origin(url) != self._origin:
            raise Unreachable(f"{self._origin} answered with {subject} at another address, which was not followed")
        return url

    def _limited(self, answer: HttpAnswer, attempt: int) -> float | None:
        """Seconds that GitHub asks to wait; None when the answer is no rate limit."""
        after = retry_after(answer.headers)
        used_up = answer.headers.get("x-ratelimit-remaining") == "0"
        named = "rate limit" in _message(answer).lower()
        if answer.status != 429 and not (answer.status == 403 and (after is not None or used_up or named)):
            return None
        if after is not None:
            return after
        reset = whole_seconds(answer.headers.get("x-ratelimit-reset"))
        if used_up and reset is not None:
            return max(1.0, reset - self._clock() + 1)
        return 60.0 * 2.0 ** (attempt - 1)

    def _wait(self, pause: float, reason: str) -> None:
        if self._waited + pause > MAX_WAIT:
            raise Unreachable(f"{reason} (waiting another {pause:.0f} s would be over {MAX_WAIT:.0f} s in all)")
        self._waited += pause
        self._sleep(pause)

    def _problem(self, method: str, url: str, answer: HttpAnswer) -> Unreachable:
        message = visible(_message(answer))[:300]
        text = f"{self._origin} answered {method} {_path(url)} with {answer.status}{f' ({message})' if message else ''}"
        if answer.status == 401:
            return Unreachable(f"{text}: it refused the token", remedy="set GITHUB_TOKEN to one that is valid")
        if self._limited(answer, 1) is not None:
            return Unreachable(f"{text}: too many requests", remedy=_LATER)
        if answer.status == 403:
            return Unreachable(f"{text}: the token needs {_PERMISSION}")
        if answer.status == 404:
            return Unreachable(f"{text}: it is not there, or the token may not see it and needs {_PERMISSION}")
        return Unreachable(text, remedy=_LATER if answer.status >= 500 else None)


def _checked_url(url: str) -> str:
    try:
        parts = split_url(url)
    except ValueError as error:
        raise InputError(f"--api-url {error}", remedy=f"write it such as {PUBLIC_API}") from None
    host = parts.hostname or ""
    if not host or parts.query or (parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host))):
        raise InputError(
            "--api-url must be https, without a query: the token goes there", remedy=f"write it such as {PUBLIC_API}"
        )
    return url.rstrip("/")


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return ""
    if "@" in parts.netloc:
        return ""
    default = {"https": 443, "http": 80}.get(parts.scheme) == port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if default else f":{port}")


def _path(url: str) -> str:
    return visible(urlsplit(url).path)[:200]


def _next(link: str) -> str | None:
    """The address of ``rel="next"`` in a Link header (RFC 8288, in the one form GitHub writes)."""
    for part in link.split(","):
        address, _, parameters = part.partition(";")
        if 'rel="next"' in parameters:
            return address.strip().removeprefix("<").removesuffix(">")
    return None


def _message(answer: HttpAnswer) -> str:
    message = answer.member("message")
    return message if isinstance(message, str) else ""
