"""What can go wrong with a server, each as a sentence and a cure."""

from __future__ import annotations

import json
import re
import ssl
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from scenescope.models.errors import AssistantError
from scenescope.models.language.server.endpoint import Endpoint

__all__ = ["NotAllowed", "ServerFailure", "Trouble", "explain", "from_status", "one_line", "said_by"]

MAX_QUOTE_CHARS = 160
_LOADING = re.compile(r"\bloading\b|warming up|is starting", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model\b.{0,80}\b(not found|does not exist|not exist|not loaded|unknown|no such)"
    r"|no models? (is |are )?(currently )?loaded|unknown model|model_not_found",
    re.IGNORECASE,
)
_NO_PICTURES = re.compile(
    r"image input is not supported|(not|n't) support (\w+ )?(image|vision|multimodal)|not a multimodal model"
    r"|at most 0 image|vision add-on is not loaded|missing data required for image|mmproj"
    r"|unknown (variant|content|part)[^.]{0,20}image",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(r"context (length|size|window)|exceeds? the (available|maximum) context|n_ctx", re.IGNORECASE)


class Trouble(StrEnum):
    """What kind of failure it is."""

    UNREACHABLE = "unreachable"
    UNSAFE = "unsafe"
    KEY = "key"
    NOT_FOUND = "not found"
    NO_MODEL = "no model"
    NO_PICTURES = "no pictures"
    NO_API = "no api"
    BUSY = "busy"
    LOADING = "loading"
    SLOW = "slow"
    TOO_MUCH = "too much"
    REFUSED = "refused"
    BROKEN = "broken"


class NotAllowed(AssistantError):
    """The user does not let something go to a server, or not any more. That is no failure of the server."""


class ServerFailure(AssistantError):
    """A server did not answer as it should.

    Attributes:
        trouble: what kind of failure it is.
        said: the server's own words, one line; empty when there are none.
    """

    def __init__(self, trouble: Trouble, user_message: str, *, hint: str = "", said: str = "") -> None:
        super().__init__(user_message, hint=hint)
        self.trouble = trouble
        self.said = said


def one_line(text: str, max_chars: int = MAX_QUOTE_CHARS) -> str:
    """Words that came from outside as one short printable line, without what turns the writing direction."""
    head = " ".join(text[: 8 * max_chars].split())
    line = "".join(c for c in head if unicodedata.category(c)[0] != "C").strip()
    return line if len(line) <= max_chars else line[: max_chars - 1].rstrip() + "…"


def said_by(body: Any, key: str = "") -> str:
    """The words in a server's error, in any of the forms that servers use, without the key."""
    if isinstance(body, (bytes, str)):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return ""
    for _ in range(3):
        if isinstance(body, dict):
            body = next((body[name] for name in ("error", "message", "detail", "msg") if body.get(name)), "")
        elif isinstance(body, list):
            body = body[0] if body else ""
    line = one_line(body) if isinstance(body, str) else ""
    return line.replace(key, "[key]") if len(key) > 3 else line


def from_status(status: int, body: bytes, endpoint: Endpoint, wait_s: float | None = None) -> ServerFailure:
    """What an HTTP status other than 200 means.

    Args:
        status: the status.
        body: what came with it, bounded.
        endpoint: who was asked.
        wait_s: how long the server asks to wait.
    """
    said = said_by(body, endpoint.key)
    quote = f' It says: "{said}"' if said else ""
    model = f"'{one_line(endpoint.model, 60)}'" if endpoint.model else "the model"
    if status in (401, 403):
        return ServerFailure(
            Trouble.KEY,
            "The server refuses the key." if endpoint.key else "The server wants a key.",
            hint="Enter the right key in the settings of the assistant.",
            said=said,
        )
    if _NO_PICTURES.search(said):
        return ServerFailure(
            Trouble.NO_PICTURES,
            f"The server cannot look at pictures with {model}.",
            hint="Load a vision model there (with llama.cpp: its mmproj file too), then test the connection again.",
            said=said,
        )
    if status in (404, 400, 422) and _NO_MODEL.search(said):
        return ServerFailure(
            Trouble.NO_MODEL,
            f"The server does not have {model}, or has not loaded it.",
            hint="Load it there, or choose one of those that the server lists.",
            said=said,
        )
    if status in (404, 405, 410, 501):
        cure = f"Try {endpoint.scheme}://{_netloc(endpoint)}/v1 as the address."
        right = endpoint.base_url.endswith("/v1")
        return ServerFailure(
            Trouble.NOT_FOUND,
            "The server answers, but has no chat at this address.",
            hint="Look up the base address in the server's own help." if right else cure,
            said=said,
        )
    if status == 429:
        asks = f" It asks to wait {_wait(wait_s)}." if wait_s is not None else ""
        return ServerFailure(
            Trouble.BUSY,
            f"The server is asked too often, or what you may use of it is used up.{asks}",
            hint="Wait a while, let the scene be described less often, or look at your account there.",
            said=said,
        )
    if status == 503 and _LOADING.search(said):
        return ServerFailure(
            Trouble.LOADING, "The server is still loading its model.", hint="Try again in a moment.", said=said
        )
    if status == 503:
        asks = f" It asks to wait {_wait(wait_s)}." if wait_s is not None else ""
        return ServerFailure(Trouble.BUSY, f"The server is too busy.{asks}", hint="Try again in a moment.", said=said)
    if _TOO_LONG.search(said):
        return ServerFailure(
            Trouble.REFUSED,
            "The request is too long for the model.",
            hint="Start the server with a larger context (4096 or more), or ask something shorter.",
            said=said,
        )
    if status >= 500:
        return ServerFailure(
            Trouble.BROKEN,
            f"The server failed (status {status}).{quote}",
            hint="Look at the server's own log; restarting it may help.",
            said=said,
        )
    return ServerFailure(
        Trouble.REFUSED,
        f"The server refuses the request (status {status}).{quote}",
        hint="Test the connection again in the settings of the assistant, or choose another model.",
        said=said,
    )


def explain(error: BaseException, endpoint: Endpoint) -> AssistantError:
    """The sentence about anything that was raised while a server was asked, however a library has wrapped it."""
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, AssistantError):
            return link
    for link in chain:
        if isinstance(link, ssl.SSLError):
            return _tls(link, endpoint)
    for link in chain:
        status = getattr(link, "status_code", None)
        if isinstance(status, int):
            body = getattr(link, "body", None)
            return from_status(status, json.dumps(body).encode() if body else b"", endpoint)
    names = [type(link).__name__ for link in chain]
    if any(isinstance(link, TimeoutError) or "Timeout" in name for link, name in zip(chain, names, strict=True)):
        return ServerFailure(
            Trouble.SLOW, "The server did not answer in time.", hint="Try again; it may be busy or still loading."
        )
    if "ConnectError" in names or any(isinstance(link, ConnectionRefusedError) for link in chain):
        return ServerFailure(
            Trouble.UNREACHABLE,
            f"Nothing answers at {_netloc(endpoint)}.",
            hint="Start the server there, or correct the address in the settings of the assistant.",
        )
    if "RemoteProtocolError" in names or "ReadError" in names or any(isinstance(e, ConnectionError) for e in chain):
        return ServerFailure(
            Trouble.BROKEN,
            "The connection broke off in the middle of the answer.",
            hint="Ask again; if it happens again, look at the server's own log.",
        )
    if any(isinstance(link, (ValueError, KeyError, TypeError, AttributeError)) or _is_api(link) for link in chain):
        said = next((said_by(str(link), endpoint.key) or one_line(str(link)) for link in chain if _is_api(link)), "")
        quote = f' It says: "{said}"' if said else ""
        return ServerFailure(
            Trouble.BROKEN,
            f"The server sent something that is no answer.{quote}",
            hint="Ask again; if it happens again, try another model or a newer version of the server.",
        )
    return AssistantError(
        f"The answer broke off: {type(error).__name__}, which Scenescope did not expect.",
        hint="Ask again; if it happens again, please report it.",
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what led to it, outermost first; at most 10."""
    link: BaseException | None = error
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.exceptions[0] if isinstance(link, BaseExceptionGroup) else link.__cause__ or link.__context__


def _is_api(error: BaseException) -> bool:
    return type(error).__name__ == "APIError"


def _tls(error: ssl.SSLError, endpoint: Endpoint) -> ServerFailure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ServerFailure(
            Trouble.UNSAFE,
            f"The certificate of {endpoint.host} is not one that this computer trusts.",
            hint="Check the address; for a server of your own, add its certificate to those this computer trusts.",
        )
    return ServerFailure(
        Trouble.UNSAFE,
        f"No encrypted connection to {_netloc(endpoint)} can be made.",
        hint="The server may speak plain HTTP: try http:// instead of https://.",
    )


def _netloc(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    default = 443 if endpoint.scheme == "https" else 80
    return host if endpoint.port == default else f"{host}:{endpoint.port}"


def _wait(seconds: float) -> str:
    if seconds < 120:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
