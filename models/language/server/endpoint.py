"""Endpoint: which server answers, and how far a picture travels to it."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from scenescope.models.errors import AssistantError
from scenescope.models.language.base import Reach, farthest

__all__ = ["Endpoint", "Location", "Lookup", "locate", "located", "reach_of", "system_lookup"]

MAX_URL_CHARS = 500
EXAMPLE = "A server on this computer has an address like http://localhost:8080/v1."

Lookup = Callable[[str, int], Iterable[str]]
"""The addresses of a host and a port, as text. Raises OSError when there are none. May wait long."""

# RFC 1918, RFC 3927, RFC 4193 and RFC 4291: what never leaves the user's own network. Addresses that carriers share
# (100.64.0.0/10) are not among them.
_OWN_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_CALLS = re.compile(r"/(chat/completions|completions|models|embeddings|responses)$")


def reach_of(address: str) -> Reach:
    """How far an IP address is away. What is no address, or one of an unknown kind, counts as the internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return Reach.INTERNET
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return Reach.THIS_COMPUTER
    own = any(parsed.version == network.version and parsed in network for network in _OWN_NETWORKS)
    return Reach.YOUR_NETWORK if own else Reach.INTERNET


@dataclass(frozen=True)
class Location:
    """Where a host is.

    Attributes:
        reach: that of the farthest of its addresses; the internet while it has none.
        addresses: in the order in which they should be tried.
        problem: why there are none; empty otherwise.
    """

    reach: Reach
    addresses: tuple[str, ...] = ()
    problem: str = ""


def system_lookup(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def locate(host: str, port: int, lookup: Lookup = system_lookup) -> Location:
    """Find a host. Waits for the resolver unless ``host`` is an IP address or ``localhost``."""
    if host == "localhost" or host.endswith(".localhost"):
        # RFC 6761, 6.3: these names are this computer, whatever a resolver says.
        return Location(Reach.THIS_COMPUTER, ("127.0.0.1", "::1"))
    try:
        ipaddress.ip_address(host)
        addresses: tuple[str, ...] = (host,)
    except ValueError:
        try:
            addresses = tuple(lookup(host, port))
        except (OSError, UnicodeError):
            addresses = ()
    if not addresses:
        unknown = Reach.YOUR_NETWORK if host.endswith(".local") else Reach.INTERNET
        return Location(unknown, (), f"No address is known for '{host}'.")
    return Location(farthest(*map(reach_of, addresses)), addresses)


async def located(host: str, port: int, lookup: Lookup = system_lookup) -> Location:
    """As :func:`locate`, without holding up the event loop.

    It asks in a daemon thread: a resolver that does not come back must not keep an answer from being cancelled, nor
    the program from ending.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Location] = loop.create_future()

    def tell(location: Location) -> None:
        if not found.done():
            found.set_result(location)

    def ask() -> None:
        location = locate(host, port, lookup)
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(tell, location)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    return await found


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server, the model it is asked for, and the key that opens it.

    Args:
        base_url: made tidy: a host name in another script is shown in its ASCII form (RFC 3490), the path of a call
            ("/chat/completions") goes, and "/v1" is added where there is no path at all.
        model: as the server calls it; empty for the one that it has.
        key: sent to this server only; never shown.

    Raises:
        AssistantError: the address is none.
    """

    base_url: str
    model: str = ""
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", tidy_url(self.base_url))
        object.__setattr__(self, "model", self.model.strip())
        key = self.key.strip()
        if not key.isascii() or not (key.isprintable() or not key) or " " in key:
            raise AssistantError(
                "The key holds characters that no key has.", hint="Copy it again from where you got it."
            )
        object.__setattr__(self, "key", key)

    @property
    def scheme(self) -> str:
        """Either "http" or "https"."""
        return urlsplit(self.base_url).scheme

    @property
    def host(self) -> str:
        """Host name in ASCII, or IP address without brackets."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def port(self) -> int:
        """Of the server."""
        return urlsplit(self.base_url).port or (443 if self.scheme == "https" else 80)

    @property
    def reach(self) -> Reach:
        """How far pictures travel, by the host's addresses as they are now. May wait for the resolver."""
        return self.locate().reach

    @property
    def reach_by_name(self) -> Reach:
        """What can be said without asking a resolver: the internet for most names. At once."""

        def nobody(host: str, port: int) -> tuple[str, ...]:
            return ()

        return self.locate(nobody).reach

    @property
    def open_to_readers(self) -> bool:
        """True where what is sent is not encrypted, so that whoever is on the way can read it if it leaves here."""
        return self.scheme == "http"

    def locate(self, lookup: Lookup = system_lookup) -> Location:
        """Where the server is. May wait for the resolver."""
        return locate(self.host, self.port, lookup)


def tidy_url(text: str) -> str:
    """The base address of a server, checked.

    Raises:
        AssistantError: it is none, or one that is dangerous to use.
    """
    url = text.strip()
    if not url:
        raise AssistantError("There is no address of a server.", hint=EXAMPLE)
    if len(url) > MAX_URL_CHARS or any(c.isspace() or not c.isprintable() or c in '\\"<>^`{|}' for c in url):
        raise AssistantError("The address of the server is too long or holds characters that none has.", hint=EXAMPLE)
    if "://" not in url:
        raise AssistantError("The address does not say how to connect.", hint=f"Did you mean http://{url}?")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AssistantError(f"'{url}' is not an address.", hint=EXAMPLE) from error
    if parts.scheme not in ("http", "https"):
        raise AssistantError(f"'{parts.scheme}' is not a way to reach a model.", hint="Use http:// or https://.")
    if "@" in parts.netloc:
        raise AssistantError(
            "An address with a user name or a password in it is not used.",
            hint="Leave out what stands before the @, and enter the key in its own field.",
        )
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise AssistantError(
            "The address of a server ends before the ? or #.", hint="Leave out that part; a key has its own field."
        )
    if port == 0 or not parts.hostname:
        raise AssistantError(f"'{url}' names no server.", hint=EXAMPLE)
    host = _tidy_host(parts.hostname)
    path = _CALLS.sub("", re.sub(r"/+", "/", parts.path).rstrip("/")) or "/v1"
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{path}"


def _tidy_host(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _tidy_name(text)
    if address.is_unspecified:
        raise AssistantError(
            f"{text} is where a server listens, not an address to reach it.",
            hint="For a server on this computer, use 127.0.0.1.",
        )
    if "%" in text or address.is_multicast:
        raise AssistantError(f"A server cannot be reached at {text}.", hint="Use its name or another address of it.")
    return str(address)


def _tidy_name(text: str) -> str:
    import idna

    try:
        name = idna.encode(text, uts46=True).decode() if not text.isascii() else text.lower()
    except idna.IDNAError as error:
        raise AssistantError(f"'{text}' is not the name of a server.", hint=EXAMPLE) from error
    name = name.removesuffix(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, name.split("."))):
        raise AssistantError(f"'{text}' is not the name of a server.", hint=EXAMPLE)
    return name
