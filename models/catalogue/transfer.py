"""One file over HTTPS into a ``.part`` file, from which a later run goes on.

An interrupted file is continued by a Range request with If-Range (RFC 9110, 13.1.5): the server sends the rest if
it still has the same file, and the whole of it otherwise.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import os
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from scenescope.models.catalogue.offers import Progress, RemoteFile, Told, size_text, time_text
from scenescope.models.errors import DownloadFailed

if TYPE_CHECKING:
    import httpx

__all__ = ["PART", "Meter", "answered", "connection_failure", "fetch_file", "make_client", "status_failure"]

PART = ".part"
BLOCK_BYTES = 1 << 18
MOST_REDIRECTS = 8
MARK_EVERY_S = 0.1
RATE_OVER_S = 5.0
CONNECT_WITHIN_S = 15.0

_RESUME = "What has arrived is kept: try again to go on."


class Meter:
    """Counts bytes, and tells how it goes at every block."""

    def __init__(self, size_bytes: int, told: Told | None, now: Callable[[], float] = time.monotonic) -> None:
        self._size_bytes = size_bytes
        self._told = told
        self._now = now
        self._done = self._fetched = 0
        # When how much was fetched, over the last seconds.
        self._marks: deque[tuple[float, int]] = deque([(now(), 0)])

    def add(self, count: int, file: str = "", fetched: bool = True) -> None:
        """``count`` more bytes are there; those that were there before do not count for the rate."""
        self._done += count
        self._fetched += count if fetched else 0
        now = self._now()
        if now - self._marks[-1][0] >= MARK_EVERY_S:
            self._marks.append((now, self._fetched))
        while len(self._marks) > 2 and now - self._marks[0][0] > RATE_OVER_S:
            self._marks.popleft()
        began, before = self._marks[0]
        rate = (self._fetched - before) / (now - began) if now - began >= MARK_EVERY_S else 0.0
        if self._told is not None:
            self._told(Progress(self._done, self._size_bytes, rate, file))


def make_client(address: str, stall_s: float) -> httpx.AsyncClient:
    """A client that verifies certificates and follows no redirect by itself; loopback goes past any proxy."""
    import httpx

    return httpx.AsyncClient(
        timeout=httpx.Timeout(stall_s, connect=min(CONNECT_WITHIN_S, stall_s)),
        headers={"User-Agent": "scenescope", "Accept-Encoding": "identity"},
        trust_env=not _is_loopback(address),
    )


@asynccontextmanager
async def answered(
    client: httpx.AsyncClient, method: str, url: str, headers: dict[str, str] | None = None
) -> AsyncIterator[httpx.Response]:
    """The answer to a request, with its body still to come, after redirects to addresses that may be trusted.

    Raises:
        DownloadFailed: an address on the way is not encrypted, or there are too many.
        httpx.HTTPError: the connection failed.
    """
    loopback_only = _is_loopback(url)
    for _ in range(MOST_REDIRECTS):
        _check_address(url, loopback_only)
        request = client.build_request(method, url, headers=headers)
        response = await client.send(request, stream=True)
        try:
            if not response.has_redirect_location:
                yield response
                return
            url = urljoin(url, response.headers["location"])
        finally:
            await response.aclose()
    raise DownloadFailed(f"{urlsplit(url).netloc} sends on and on to other addresses.", hint="Try again later.")


async def fetch_file(
    client: httpx.AsyncClient,
    remote: RemoteFile,
    target: Path,
    validators: dict[str, str],
    remember: Callable[[], None],
    meter: Meter,
) -> None:
    """Fetch one file, or the rest of it; ``target`` comes into being when all of it is there and verified.

    Args:
        client: of :func:`make_client`.
        remote: what to fetch; more bytes than it says are not taken.
        target: where it goes; beside it lies the ``.part`` meanwhile.
        validators: what tells a file of the server from a later one, by path; changed here.
        remember: called when they have changed, before the first byte is kept.
        meter: told of every byte.

    Raises:
        DownloadFailed: it cannot be had, or is not what was promised; the message says which.
        OSError: the disk does not take it.
    """
    import httpx

    part = target.with_name(target.name + PART)
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, have = hashlib.sha256(), 0
    if part.exists():
        digest, have = await _hash_of(part)
    validator = validators.get(remote.path, "")
    if not (validator or remote.sha256) or (remote.size_bytes and have > remote.size_bytes):
        digest, have = hashlib.sha256(), 0
    if not (have and have == remote.size_bytes):
        asked = {"Range": f"bytes={have}-", **({"If-Range": validator} if validator else {})} if have else {}
        try:
            async with answered(client, "GET", remote.url, asked) as response:
                going_on = response.status_code == 206 and _begins_at(response) == have
                if response.status_code not in (200, 206):
                    if response.status_code == 416:
                        part.unlink(missing_ok=True)
                    raise status_failure(response, remote.url)
                if response.status_code == 206 and not going_on:
                    part.unlink(missing_ok=True)
                    raise DownloadFailed(
                        f"{urlsplit(remote.url).netloc} sent another part than was asked for.", hint="Try again."
                    )
                if not going_on:
                    digest, have = hashlib.sha256(), 0
                check_content(response, remote)
                whole = remote.size_bytes or have + int(response.headers.get("content-length", 0))
                validators[remote.path] = _validator(response)
                remember()
                meter.add(have, target.name, fetched=False)
                have = await _receive(response, part, have, whole, digest, meter)
        except httpx.HTTPError as error:
            raise connection_failure(error, remote.url) from error
    else:
        meter.add(have, target.name, fetched=False)
    if remote.sha256 and digest.hexdigest() != remote.sha256:
        part.unlink()
        raise DownloadFailed(
            f"{target.name} is not the file that was promised: its sha256 is {digest.hexdigest()[:12]}..., "
            f"not {remote.sha256[:12]}...",
            hint="It was deleted. Try again; if it happens again, do not use this source.",
        )
    part.replace(target)


async def _receive(response: httpx.Response, part: Path, have: int, whole: int, digest: Any, meter: Meter) -> int:
    """Write what comes behind the first ``have`` bytes; how many there are then."""
    with part.open("r+b" if have else "wb") as file:
        file.seek(have)
        file.truncate()
        async for block in response.aiter_raw(BLOCK_BYTES):
            if whole and have + len(block) > whole:
                raise DownloadFailed(
                    f"{part.name.removesuffix(PART)} is larger than the {size_text(whole)} that were promised.",
                    hint="Nothing more was taken. Look at the source before you try again.",
                    permanent=True,
                )
            file.write(block)
            digest.update(block)
            have += len(block)
            meter.add(len(block), part.name.removesuffix(PART))
        file.flush()
        os.fsync(file.fileno())
    if have < whole:
        raise DownloadFailed(
            f"The connection ended early: {size_text(have)} of {size_text(whole)} have arrived.", hint=_RESUME
        )
    return have


async def _hash_of(part: Path) -> tuple[Any, int]:
    """The hash so far of what is there, and its size; a cancelled task ends in between."""
    import asyncio

    digest, size = hashlib.sha256(), 0
    with part.open("rb") as file:
        while block := file.read(BLOCK_BYTES * 4):
            digest.update(block)
            size += len(block)
            await asyncio.sleep(0)
    return digest, size


def check_content(response: httpx.Response, remote: RemoteFile) -> None:
    """Make sure that a file comes and not a page about it, and not more than the user agreed to.

    Raises:
        DownloadFailed: it is a page, or too large.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml") and not remote.path.lower().endswith((".html", ".htm")):
        raise DownloadFailed(
            f"{remote.url} is a web page, not a file.",
            hint="Give the address of the download itself: what the page's download button leads to.",
            permanent=True,
        )
    announced = _announced(response)
    if remote.size_bytes and announced and announced != remote.size_bytes:
        raise DownloadFailed(
            f"{remote.path} has {size_text(announced)} now, not the {size_text(remote.size_bytes)} that were offered.",
            hint="It was changed meanwhile: ask for it again.",
            permanent=True,
        )


def _announced(response: httpx.Response) -> int:
    """Size of the whole file as the server tells it; 0 when it does not."""
    if response.status_code == 206:
        total = response.headers.get("content-range", "").rpartition("/")[2]
        return int(total) if total.isdigit() else 0
    return int(response.headers.get("content-length", 0))


def _begins_at(response: httpx.Response) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return int(found[1]) if found else -1


def _validator(response: httpx.Response) -> str:
    """What If-Range may carry: a strong ETag, else the time of the last change; empty when there is neither."""
    etag = str(response.headers.get("etag", ""))
    return etag if etag and not etag.startswith("W/") else str(response.headers.get("last-modified", ""))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_address(url: str, loopback_only: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    # This computer's own servers need no encryption; but no server elsewhere may send us to them.
    if parts.scheme == "http" and loopback_only and _is_loopback(url):
        return
    raise DownloadFailed(
        f"{url} is not an encrypted address.", hint="Only https:// addresses are fetched from.", permanent=True
    )


# Failures in words -----------------------------------------------------------------------------------------------


def status_failure(response: httpx.Response, url: str) -> DownloadFailed:
    """What an answer other than a file means."""
    host, status = urlsplit(url).netloc, response.status_code
    if status in (404, 410):
        return DownloadFailed(f"{url} is not there ({status}).", hint="Look for a wrong letter.", permanent=True)
    if status in (401, 403):
        return DownloadFailed(
            f"{host} does not give {url} to everybody ({status}).",
            hint="Download it in a browser, where you can sign in and accept its terms, and add the file.",
            permanent=True,
        )
    if status == 429:
        wait = response.headers.get("retry-after", "")
        when = f"in {time_text(int(wait))}" if wait.isdigit() else "later"
        return DownloadFailed(f"{host} was asked too often (429).", hint=f"Try again {when}.")
    if status >= 500:
        return DownloadFailed(f"{host} has a problem of its own ({status}).", hint="Try again later.")
    return DownloadFailed(f"{host} answers {status} {response.reason_phrase}.", hint="Look at the address.")


def connection_failure(error: httpx.HTTPError, url: str) -> DownloadFailed:
    """What a broken connection means."""
    import httpx

    host = urlsplit(url).netloc
    if isinstance(error, httpx.ConnectTimeout):
        return DownloadFailed(
            f"{host} does not answer.", hint="Is there a connection to the internet? Try again later."
        )
    if isinstance(error, httpx.TimeoutException):
        return DownloadFailed(f"{host} has sent nothing more for a while.", hint=_RESUME)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return DownloadFailed(
            f"The certificate of {host} cannot be verified.",
            hint="Somebody may be between you and it. Where that is your own company, let SSL_CERT_FILE name its "
            "certificate.",
        )
    if isinstance(error, httpx.ConnectError):
        return DownloadFailed(f"{host} cannot be reached.", hint="Is there a connection to the internet?")
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return DownloadFailed(f"The connection to {host} ended early.", hint=_RESUME)
    return DownloadFailed(f"{host} cannot be asked: {error or type(error).__name__}.", hint="Look at the address.")


def disk_full(error: OSError) -> bool:
    """True when there is no room left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
