"""The wire: sends requests to the endpoint and nowhere else, once more where that may help; reads bounded replies."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2

from scenescope.models.language.base import wider
from scenescope.models.language.server.endpoint import located
from scenescope.models.language.server.failures import ServerFailure, Trouble, from_status, one_line, said_by
from scenescope.models.language.server.limits import retry_after_s, too_slow

if TYPE_CHECKING:
    from scenescope.models.language.server.connection import Connection

__all__ = ["GuardedTransport"]

MAX_ERROR_BYTES = 64 * 1024
ERROR_BODY_S = 2.0
SENT_HEADERS = ("host", "accept", "content-type", "content-length", "transfer-encoding")
RETRY_STATUSES = (429, 503)


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Carries requests to one endpoint.

    - The host is looked up for every request, and the request goes to one of the addresses that were found, so that a
      name cannot mean one address when it is checked and another when it is used (DNS rebinding). An address farther
      away than what the user has agreed to is not connected to. Whether a request may go is asked for every attempt.
    - Redirects are refused. Replies that are compressed, too long or slow are cut off.
    - A request that could not be sent, or that was answered by 429 or 503, is sent once more after the wait that the
      server asks for.
    - What libraries tell about this computer in headers is left out.

    Raises:
        ServerFailure: in place of every HTTP status but 200.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._endpoint = connection.endpoint
        self._limits = connection.limits
        encrypted = self._endpoint.scheme == "https"
        verify: ssl.SSLContext | bool = ssl.create_default_context() if encrypted else False
        self._inner = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it, and return the reply once its headers are there."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits.total_s
        failure: ServerFailure | None = None
        for attempt in range(2):
            first_byte = min(end, loop.time() + self._limits.first_token_s)
            wait_s: float | None = None
            try:
                async with asyncio.timeout_at(first_byte):
                    response = await self._connect(request)
                    if response.status_code == 200:
                        return await self._checked(response, request, first_byte, end)
                    body = await self._error_body(response)
            except TimeoutError as error:
                raise too_slow(self._limits, started=False, total=first_byte >= end) from error
            except ServerFailure as error:
                if error.trouble is not Trouble.UNREACHABLE:
                    raise
                failure = error
            else:
                wait_s = retry_after_s(response.headers.get("retry-after"))
                failure = self._refusal(response, body, wait_s)
                if response.status_code not in RETRY_STATUSES:
                    raise failure
            pause = self._limits.retry_s if wait_s is None else wait_s
            if attempt or pause > self._limits.max_retry_s or loop.time() + pause >= end:
                break
            await asyncio.sleep(pause)
        assert failure is not None
        raise failure

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _connect(self, request: httpx2.Request) -> httpx2.Response:
        """Send to the first address of the host that lets itself be connected to."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits.connect_s
        endpoint = self._endpoint
        try:
            async with asyncio.timeout_at(end):
                location = await located(endpoint.host, endpoint.port, self._connection.lookup)
        except TimeoutError as error:
            raise ServerFailure(
                Trouble.UNREACHABLE,
                f"Nobody could say in time where '{endpoint.host}' is.",
                hint="Check your connection, or use the address in numbers.",
            ) from error
        if self._connection.told_location is not None:
            self._connection.told_location(location)
        if not location.addresses:
            raise ServerFailure(
                Trouble.UNREACHABLE,
                location.problem,
                hint="Check the spelling of the address and your connection to the network.",
            )
        if self._connection.ask is not None:
            await asyncio.to_thread(self._connection.ask, location.reach)
        elif wider(location.reach, self._connection.allowed):
            raise ServerFailure(
                Trouble.UNSAFE,
                f"'{endpoint.host}' is farther away than it was: {location.reach.value[0].lower()}"
                f"{location.reach.value[1:]}. Nothing was sent.",
                hint="If that is right, test the connection again in the settings of the assistant.",
            )
        refused: httpx2.TransportError | None = None
        for at, address in enumerate(location.addresses):
            share_s = max(end - loop.time(), 0.0) / (len(location.addresses) - at)
            try:
                return await self._inner.handle_async_request(self._addressed(request, address, share_s))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as failed:
                if _is_tls(failed):
                    raise
                refused = failed
        raise ServerFailure(
            Trouble.UNREACHABLE,
            f"Nothing answers at {urlsplit(endpoint.base_url).netloc}.",
            hint="Start the server there, or correct the address in the settings of the assistant.",
        ) from refused

    def _addressed(self, request: httpx2.Request, address: str, connect_s: float) -> httpx2.Request:
        """The request to an address instead of a name; certificates are checked against the name all the same."""
        headers = [(name, value) for name, value in request.headers.items() if name.lower() in SENT_HEADERS]
        headers += [("accept-encoding", "identity"), ("user-agent", "scenescope")]
        if self._endpoint.key:
            headers.append(("authorization", f"Bearer {self._endpoint.key}"))
        silence_s = self._limits.total_s
        return httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=headers,
            stream=request.stream,
            extensions={
                "timeout": {"connect": connect_s, "read": silence_s, "write": silence_s, "pool": silence_s},
                "sni_hostname": self._endpoint.host,
            },
        )

    def _refusal(self, response: httpx2.Response, body: bytes, wait_s: float | None) -> ServerFailure:
        if not response.is_redirect:
            return from_status(response.status_code, body, self._endpoint, wait_s)
        target = one_line(urlsplit(response.headers.get("location", "")[:500]).netloc.rpartition("@")[2], 80)
        return ServerFailure(
            Trouble.UNSAFE,
            f"The server sends on to another address{f' ({target})' if target else ''}, which was not followed.",
            hint="If you trust that one, enter it as the address.",
        )

    async def _error_body(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(ERROR_BODY_S):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MAX_ERROR_BYTES:
                        break
        except (TimeoutError, httpx2.TransportError):
            pass
        finally:
            await response.aclose()
        return bytes(body[:MAX_ERROR_BYTES])

    async def _checked(
        self, response: httpx2.Response, request: httpx2.Request, first_byte: float, end: float
    ) -> httpx2.Response:
        """A reply that is of the kind that was asked for, and whose body cannot be endless."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        problem: ServerFailure | None = None
        if packed not in ("", "identity"):
            problem = ServerFailure(
                Trouble.BROKEN,
                "The server sent a compressed reply, which nobody had asked for; it was not unpacked.",
                hint="Switch compression off at the server or the proxy before it.",
            )
        elif kind.startswith("text/html"):
            problem = ServerFailure(
                Trouble.NO_API,
                "What answers there is a web page, not a server for models.",
                hint="Check the address; most servers end in /v1.",
            )
        elif kind == "application/json" and _wants_stream(request):
            said = said_by(await self._error_body(response), self._endpoint.key)
            problem = from_status(400, json.dumps({"error": said}).encode(), self._endpoint)
            if not said:
                problem = ServerFailure(
                    Trouble.BROKEN,
                    "The server does not stream its answers.",
                    hint="Use a newer version of it, or another server.",
                )
        if problem is not None:
            await response.aclose()
            raise problem
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            200,
            headers=response.headers,
            stream=_Bounded(response.stream, self._connection, first_byte, end),
            extensions=response.extensions,
        )


class _Bounded(httpx2.AsyncByteStream):
    """The body of a reply, with a bound on its length and on the silences in it."""

    def __init__(self, inner: httpx2.AsyncByteStream, connection: Connection, first_byte: float, end: float) -> None:
        self._inner = inner
        self._limits = connection.limits
        self._first_byte = first_byte
        self._end = end
        self._read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._read:
            # Libraries read on after the end of an answer, to use the connection again. That can be endless.
            return
        self._read = True
        loop = asyncio.get_running_loop()
        chunks = aiter(self._inner)
        length = 0
        deadline = self._first_byte
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise too_slow(self._limits, started=length > 0, total=deadline >= self._end) from error
            length += len(chunk)
            if length > self._limits.max_reply_bytes:
                raise ServerFailure(
                    Trouble.TOO_MUCH,
                    f"The server sent more than {self._limits.max_reply_bytes / 2**20:.3g} MB; the rest was cut off.",
                    hint="Ask again; if it happens again, try another model.",
                )
            yield chunk
            # From here on, not from when the chunk came: how long it took to read it is not the server's doing.
            deadline = min(self._end, loop.time() + self._limits.between_tokens_s)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _wants_stream(request: httpx2.Request) -> bool:
    if not isinstance(request.stream, httpx2.SyncByteStream):
        return False
    try:
        content = json.loads(request.read())
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("stream") is True


def _is_tls(error: BaseException) -> bool:
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLError):
            return True
        link = link.__cause__ or link.__context__
    return False
