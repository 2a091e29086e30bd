"""What came back: whether the task completes with it, fails, or may be tried again."""

import email.utils
from http import HTTPStatus
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from events.limits import HTTP_EXCERPT_BYTES
from events.redaction import COVERED
from events.values import Value
from node_agent.errors import TaskError
from node_agent.web.request import Reason, Redirects, Request, Sending, Status

TEXTUAL = ("xml", "javascript", "yaml", "x-www-form-urlencoded", "csv", "toml")
PORTS = {"http": 80, "https": 443}


class Reply(msgspec.Struct, frozen=True):
    """The output of `http.request`. `headers` have names in small letters."""

    status: int
    headers: dict[str, str]
    body: Value = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A response as it came; of `content` no more than `bytes_wanted`."""

    status: int
    headers: dict[str, str]
    content: bytes = b""
    charset: str = "utf-8"


class NotAnswered(Exception):
    """There is no response; `reason` is what `retry_on` may list, or neither of both."""

    def __init__(self, reason: Literal["connection", "timeout", "redirect"], message: str) -> None:
        super().__init__(message)
        self.reason = reason


def bytes_wanted(request: Request, status: int) -> int:
    """Of the body; one more byte than may be there shows that it is too large."""
    if not is_among(status, request.accept):
        return HTTP_EXCERPT_BYTES
    return 0 if request.response == "none" else request.response_bytes_max + 1


def judged(request: Request, what: Sending, answer: Answer) -> Reply:
    """Returns the task's output. Raises `TaskError`: `http_<status>`, `http_too_large`,
    `http_invalid_body`.
    """
    content = _covered(answer.content, what.secrets)
    if not is_among(answer.status, request.accept):
        raise _refused(request, what, answer, content)
    headers = {
        name: _covered(answer.headers[name].encode(), what.secrets).decode()
        for name in map(str.lower, request.keep_headers)
        if name in answer.headers
    }
    is_silent = request.response == "none" or request.method == "HEAD"
    if not is_silent and len(answer.content) > request.response_bytes_max:
        raise TaskError(
            "http_too_large",
            f"{what.place} answered with more than {request.response_bytes_max} bytes: raise "
            "`response_bytes_max`, or say `response: none`",
            {"status": answer.status},
            retryable=False,
        )
    body = None if is_silent else _body(request, what, answer, content)
    return Reply(answer.status, headers, body)


def unanswered(request: Request, what: Sending, error: NotAnswered) -> TaskError:
    """The failure that a missing response stands for: `http_connection`, `http_timeout`,
    `http_redirect`.
    """
    may_again = error.reason in request.retry_on
    return TaskError(f"http_{error.reason}", f"{what.place}: {error}", retryable=may_again)


def is_among(status: int, listed: tuple[Status | Reason, ...]) -> bool:
    """Whether a list of statuses and classes has this one."""
    return not {status, str(status), f"{status // 100}xx"}.isdisjoint(listed)


def may_follow(policy: Redirects, here: str, there: str) -> bool:
    """Whether a redirect may be followed: to the same host and port, or from there to the same host
    by https; to others only when asked for. Never from https to http.
    """
    old, new = urlsplit(here), urlsplit(there)
    if policy == "none" or new.scheme not in PORTS or (old.scheme, new.scheme) == ("https", "http"):
        return False
    return policy == "any" or is_same_host(old, new)


def is_same_host(old: SplitResult, new: SplitResult) -> bool:
    if old.hostname != new.hostname:
        return False
    upgraded = old.scheme == "http" and old.port in {None, 80} and new.scheme == "https"
    return _port(old) == _port(new) or (upgraded and new.port in {None, 443})


def _port(parts: SplitResult) -> int | None:
    return parts.port or PORTS.get(parts.scheme)


# -- bodies ---------------------------------------------------------------------------------------


def _body(request: Request, what: Sending, answer: Answer, content: bytes) -> Value:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind.endswith(("/json", "+json"))
    if request.response == "json" or (request.response == "auto" and is_json and content):
        return _json(what, answer, content)
    is_text = not kind or kind.startswith("text/") or any(word in kind for word in TEXTUAL)
    if request.response == "text" or (is_text and content):
        return _text(content, answer.charset)
    return None


def _json(what: Sending, answer: Answer, content: bytes) -> Value:
    try:
        found: Value = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TaskError(
            "http_invalid_body",
            f"{what.place} answered with what is not JSON: {error}",
            {"status": answer.status, "body": _excerpt(content, answer.charset)},
            retryable=False,
        ) from error
    return found


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, errors="replace")
    except LookupError:
        return content.decode(errors="replace")


def _excerpt(content: bytes, charset: str) -> str:
    return _text(content[:HTTP_EXCERPT_BYTES], charset)


def _covered(content: bytes, secrets: tuple[str, ...]) -> bytes:
    """A service may echo what it was sent, and outputs are stored."""
    for secret in filter(None, secrets):
        content = content.replace(secret.encode(), COVERED.encode())
    return content


# -- failures -------------------------------------------------------------------------------------


def _refused(request: Request, what: Sending, answer: Answer, content: bytes) -> TaskError:
    may_again = is_among(answer.status, request.retry_on)
    asked_s = min(retry_after_s(answer.headers), request.retry_after_max_s) if may_again else 0.0
    return TaskError(
        f"http_{answer.status}",
        f"{what.place} answered {answer.status}{_phrase(answer.status)}",
        {"status": answer.status, "body": _excerpt(content, answer.charset)},
        retryable=may_again,
        retry_after_s=asked_s,
    )


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def retry_after_s(headers: dict[str, str]) -> float:
    """The seconds that `Retry-After` (RFC 9110, 10.2.3) asks for, 0 without one. A date is taken
    against the response's own `Date`, so that clocks need not agree.
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdecimal():
        return float(said[:9])
    try:
        then = email.utils.parsedate_to_datetime(said)
        now = email.utils.parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (then - now).total_seconds())
    except (TypeError, ValueError):
        return 0.0
