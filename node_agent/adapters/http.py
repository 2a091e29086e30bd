"""HTTP by httpx: one connection a request, closed with it, also when the request is cancelled.

Proxies and certificates are those of the process's environment, as curl has them.
"""

import asyncio
import ssl
from functools import cache
from importlib.metadata import version
from urllib.parse import urlsplit

import httpx

from events.limits import HTTP_REDIRECTS_MAX
from node_agent.errors import TaskError
from node_agent.web.answer import Answer, NotAnswered, bytes_wanted, is_same_host, may_follow
from node_agent.web.request import INVALID, Request, Sending, place_of


async def exchange(what: Sending, request: Request) -> Answer:
    """Sends, follows redirects as far as it may, and reads the last response, all of it within the
    request's timeout. Raises `NotAnswered`, and `TaskError` for what cannot be sent.
    """
    try:
        async with (
            asyncio.timeout(request.timeout_s),
            httpx.AsyncClient(verify=trusted(), timeout=None) as client,  # noqa: S113 -- above
        ):
            return await _answered(client, what, request)
    except TimeoutError as error:
        limit = f"no whole response within {request.timeout_s:g} s"
        raise NotAnswered("timeout", limit) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise TaskError(INVALID, f"{what.place}: {error}", retryable=False) from error
    except httpx.RequestError as error:
        raise NotAnswered("connection", _told(error)) from error


async def _answered(client: httpx.AsyncClient, what: Sending, request: Request) -> Answer:
    url = httpx.URL(what.url)
    if what.query:
        url = url.copy_merge_params(what.query)
    sent = client.build_request(what.method, url, headers=_headers(what), content=what.content)
    for _ in range(HTTP_REDIRECTS_MAX + 1):
        response = await client.send(sent, stream=True)
        try:
            following = _following(response, what, request)
            if following is None:
                return await _read(response, request)
        finally:
            await response.aclose()
        sent = following
    raise NotAnswered("redirect", f"there are more than {HTTP_REDIRECTS_MAX} redirects")


def _headers(what: Sending) -> list[tuple[str, str]]:
    """An uncompressed body has no size but its own, so its bound holds."""
    names = {name.lower() for name, _ in what.headers}
    ours = {"User-Agent": f"dalsegno/{version('dalsegno')}", "Accept-Encoding": "identity"}
    return [*what.headers, *(pair for pair in ours.items() if pair[0].lower() not in names)]


def _following(response: httpx.Response, what: Sending, request: Request) -> httpx.Request | None:
    """The request that a redirect asks for, or None when this response is to be judged."""
    following = response.next_request
    if following is None or request.redirects == "none":
        return None
    here, there = str(response.url), str(following.url)
    if not may_follow(request.redirects, here, there):
        raise NotAnswered(
            "redirect",
            f"it redirects to {place_of(there)}, another host or unsafe: `redirects: any` follows "
            "to any host (never from https to http), `none` takes the answer as it is",
        )
    if not is_same_host(urlsplit(here), urlsplit(there)):
        for name in what.secret_names:
            following.headers.pop(name, None)
    return following


async def _read(response: httpx.Response, request: Request) -> Answer:
    wanted = bytes_wanted(request, response.status_code)
    content = bytearray()
    if wanted:
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) >= wanted:
                break
    return Answer(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        content=bytes(content[:wanted]),
        charset=response.charset_encoding or "utf-8",
    )


@cache
def trusted() -> ssl.SSLContext:
    """The certificate authorities of this machine. Reading them takes long, once."""
    return httpx.create_ssl_context()


def _told(error: httpx.RequestError) -> str:
    """Some of its errors say nothing but their class."""
    return str(error) or type(error).__name__
