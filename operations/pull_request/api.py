"""What the clients of code hosts share: sending, waiting, refusing. The token goes to the API's own origin only.

Retries follow what each host documents: `retry-after` first, then its time of reset, else a minute and longer. A write whose
outcome is unknown is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, NoReturn, Self
from urllib.parse import urljoin, urlsplit

import httpx

from model import effects
from model.base import split_url
from model.errors import InputError, Unreachable
from model.loopback import is_loopback
from model.text import visible
from wire.http import HttpAnswer, HttpPolicy, RefusedAnswer, exchange, reason_of, retry_after, whole_seconds

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
_LATER = "try again later"


class Unsure(Unreachable):
    """A write was sent and the host did not answer, so it may have been done."""


@dataclass(frozen=True)
class PullRequest:
    """`head_repo` is ``owner/name`` in small letters, None when the fork is gone or the host names it otherwise;
    `changed_files` is -1 where the host does not count them."""

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
    url: str | None


class ReviewApi:
    """A client of one code host's API for one repository; a context manager.

    Every method raises `Unreachable` for any answer that is not the expected one, after the retries that make sense. What
    each host adds is how it spells pull requests and comments, and how it refuses.

    Args:
        api_url: the API's address; http on loopback only.
        repo: the repository, as the host names it.
        headers: sent with each request, the credential among them; to that origin alone, never shown.
        sleep, clock: the time, for tests; `clock` gives Unix seconds.
    """

    #: The host's name in messages, and an address of its API as an example.
    NAME: ClassVar[str]
    PUBLIC: ClassVar[str]
    #: What the host calls a request to merge.
    NOUN: ClassVar[str] = "pull request"
    #: What the token must be allowed to, as a remedy.
    PERMISSION: ClassVar[str]
    #: The variables that may hold the token.
    TOKENS: ClassVar[tuple[str, ...]]
    #: The files that decide what a pull request's own run does, in words; `steers_run` knows them.
    RUN_FILES: ClassVar[str]

    def __init__(
        self,
        api_url: str,
        repo: str,
        headers: Mapping[str, str],
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.api = self._checked_url(api_url)
        self.repo = repo
        self._origin = _origin(self.api)
        self._sleep, self._clock = sleep, clock
        self._waited = 0.0
        self._http = HttpPolicy(self.api, proxies=True).client(
            headers={"user-agent": "ringwall", **headers}, timeout=TIMEOUT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def steers_run(self, name: str) -> bool:
        """Whether a changed file may decide what the pull request's own run does."""
        raise NotImplementedError

    def viewer(self) -> str:
        """The account the token writes as, spelled as in a comment's author."""
        raise NotImplementedError

    def pull(self, number: int) -> PullRequest:
        """One pull request; its `state` is ``open`` where it can still be merged."""
        raise NotImplementedError

    def changed_files(self, pull: PullRequest) -> tuple[list[tuple[str, ...]], bool]:
        """Each file a pull request touches, its path and its old one where it moved; and whether the list is whole."""
        raise NotImplementedError

    def comments(self, number: int) -> list[Comment]:
        """Every comment of the conversation that could be ours."""
        raise NotImplementedError

    def create_comment(self, number: int, body: str) -> Comment:
        """Add a comment.

        Raises:
            Unsure: the answer did not come; look whether the comment is there before trying again.
        """
        raise NotImplementedError

    def update_comment(self, number: int, comment: int, body: str) -> None:
        """Give a comment another text."""
        raise NotImplementedError

    def delete_comment(self, number: int, comment: int) -> None:
        """Delete a comment; one that is gone already is fine."""
        raise NotImplementedError

    def _pages(self, url: str, params: dict[str, str]) -> Iterator[dict[str, Any]]:
        query: dict[str, str] | None = params
        for _ in range(MAX_PAGES):
            answer = self._call("GET", url, 200, params=query)
            items = self._json(answer)
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise Unreachable(
                    f"{self._origin} answered GET {_path(url)} with no list", remedy=f"is it {self.NAME}'s API?"
                )
            yield from items
            following = _next(answer.headers.get("link", ""))
            if following is None:
                return
            url, query = self._same_origin(answer.url, following, "a next page"), None
        raise Unreachable(f"{self._origin}: the list at {_path(url)} does not end after {MAX_PAGES} pages")

    def _checked_url(self, url: str) -> str:
        remedy = f"write it such as {self.PUBLIC}"
        try:
            parts = split_url(url)
        except ValueError as error:
            raise InputError(f"--api-url {error}", remedy=remedy) from None
        host = parts.hostname or ""
        if not host or parts.query or (parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host))):
            raise InputError("--api-url must be https, without a query: the token goes there", remedy=remedy)
        return url.rstrip("/")

    def _foreign(self, subject: str) -> NoReturn:
        raise Unreachable(f"{self._origin}: {subject} in the answer is not {self.NAME}'s") from None

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
        effects.request(method, self.NAME)
        try:
            return exchange(self._http, method, url, limit=MAX_ANSWER, deadline=DEADLINE, json=body, params=params)
        except RefusedAnswer as error:
            raise Unreachable(f"{self._origin}: {error}; that is not {self.NAME}'s API") from None

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

    def _is_limit(self, answer: HttpAnswer) -> bool:
        """Whether the host asks for fewer requests."""
        return answer.status == 429

    def _limited(self, answer: HttpAnswer, attempt: int) -> float | None:
        """Seconds that the host asks to wait; None when the answer is no rate limit."""
        if not self._is_limit(answer):
            return None
        if (after := retry_after(answer.headers)) is not None:
            return after
        # GitHub and Azure DevOps, then GitLab.
        for prefix in ("x-ratelimit", "ratelimit"):
            reset = whole_seconds(answer.headers.get(f"{prefix}-reset"))
            if answer.headers.get(f"{prefix}-remaining") == "0" and reset is not None:
                return max(1.0, reset - self._clock() + 1)
        return 60.0 * 2.0 ** (attempt - 1)

    def _wait(self, pause: float, reason: str) -> None:
        if self._waited + pause > MAX_WAIT:
            raise Unreachable(f"{reason} (waiting another {pause:.0f} s would be over {MAX_WAIT:.0f} s in all)")
        self._waited += pause
        self._sleep(pause)

    def _problem(self, method: str, url: str, answer: HttpAnswer) -> Unreachable:
        message = visible(message_of(answer))[:300]
        text = f"{self._origin} answered {method} {_path(url)} with {answer.status}{f' ({message})' if message else ''}"
        if answer.status == 401:
            return Unreachable(f"{text}: it refused the token", remedy=f"set {self.TOKENS[0]} to one that is valid")
        if self._limited(answer, 1) is not None:
            return Unreachable(f"{text}: too many requests", remedy=_LATER)
        if answer.status == 403:
            return Unreachable(f"{text}: the token needs {self.PERMISSION}")
        if answer.status == 404:
            return Unreachable(f"{text}: it is not there, or the token may not see it and needs {self.PERMISSION}")
        return Unreachable(text, remedy=_LATER if answer.status >= 500 else None)


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
    """The address of ``rel="next"`` in a Link header (RFC 8288, in the one form GitHub and GitLab write)."""
    for part in link.split(","):
        address, _, parameters = part.partition(";")
        if 'rel="next"' in parameters:
            return address.strip().removeprefix("<").removesuffix(">")
    return None


def message_of(answer: HttpAnswer) -> str:
    # GitLab's message may be an object, and its refusals of a token's scope stand under `error`.
    texts = (answer.member("message"), answer.member("error"))
    return next((text for text in texts if isinstance(text, str)), "")


def checked_token(token: str, name: str, variable: str) -> str:
    """A token that can stand in a header; raises `InputError` without showing it."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"the {name} token holds characters that no token has", remedy=f"set {variable} anew")
    return token
