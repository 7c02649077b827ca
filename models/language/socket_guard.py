"""A guard for tests: while it stands, this process connects to itself only."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

__all__ = ["only_loopback"]

_CALLS = ("connect", "connect_ex", "sendto")


@contextmanager
def only_loopback() -> Iterator[list[str]]:
    """Refuse every connection and every datagram to another address, and every question to a resolver.

    Python's own sockets are guarded, which is what all libraries of the assistant use; libraries in C are not.

    Yields:
        What was tried, "connect 93.184.216.34", in the order in which it was.

    Raises:
        AssertionError: at the end, if something was tried, even if whoever tried it has taken the refusal.
    """
    tried: list[str] = []

    def refuse(call: str, host: str) -> None:
        tried.append(f"{call} {host}")
        raise PermissionError(f"{call} {host}: only this computer may be reached")

    def guarded(name: str) -> Callable[..., Any]:
        original: Callable[..., Any] = getattr(socket.socket, name)

        def call(self: socket.socket, *args: Any) -> Any:
            # The address is the last argument of all three; a local socket has a path in its place.
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(host := str(args[-1][0])):
                refuse(name, host)
            return original(self, *args)

        return call

    resolve = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **named: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else str(host or "localhost")
        if not _is_here(text):
            refuse("look up", text)
        return resolve(host, *args, **named)

    with ExitStack() as guards:
        for name in _CALLS:
            guards.enter_context(mock.patch.object(socket.socket, name, guarded(name)))
        guards.enter_context(mock.patch.object(socket, "getaddrinfo", look_up))
        yield tried
    if tried:
        raise AssertionError(f"addresses outside of this computer were asked for: {', '.join(tried)}")


def _is_here(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified
