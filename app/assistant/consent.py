"""Consent: what the user has agreed to send where, and that it was asked for."""

from __future__ import annotations

import ipaddress
import threading

from scenescope.models.language import Picture, Reach
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.failures import NotAllowed
from scenescope.widgets.assistant_choices import CONSENT, Agreement, agreements_of, put_agreements
from scenescope.widgets.settings import Settings

__all__ = ["CONSENT", "PAUSED", "Consent", "ConsentNeeded", "endpoint_of", "is_here"]

PAUSED = "assistant.sending_paused"
PLACES = {
    Reach.THIS_COMPUTER: "on this computer",
    Reach.YOUR_NETWORK: "on your network",
    Reach.INTERNET: "on the internet",
}


class ConsentNeeded(NotAllowed):
    """The user has not agreed to send pictures, or what was seen in them, to a host. Nothing was sent.

    Attributes:
        address: where it would go.
        host: of that, in ASCII.
        reach: how far that is.
        change: what is no longer as it was when the user agreed, a sentence; empty when that never was.
        pictures: what would be sent, as it would be sent; empty where nobody is to be shown it.
    """

    def __init__(
        self, endpoint: Endpoint, reach: Reach, what: str, change: str = "", pictures: tuple[Picture, ...] = ()
    ) -> None:
        super().__init__(
            f"{change} You have not agreed to send {what} there, so nothing was sent."
            if change
            else f"You have not agreed to send {what} to {endpoint.host}, so nothing was sent.",
            hint="Agree when you are asked, without a window by --send-pictures; or choose a model on this computer.",
        )
        self.address = endpoint.base_url
        self.host = endpoint.host
        self.reach = reach
        self.change = change
        self.pictures = pictures


class Consent:
    """What the user has agreed to, and whether sending is paused. Any thread.

    Args:
        store: where that is kept.
    """

    def __init__(self, store: Settings) -> None:
        self._store = store
        self._lock = threading.Lock()

    @property
    def paused(self) -> bool:
        """True while nothing that was seen leaves this computer."""
        kept = self._store.get(PAUSED)
        # Anything else than a plain no is a yes.
        return not (kept is None or kept is False)

    @paused.setter
    def paused(self, on: bool) -> None:
        self._store.set(PAUSED, bool(on))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that the user has agreed to, in ASCII, sorted."""
        return tuple(sorted({one.host for one in agreements_of(self._store)}))

    def agree(self, address: str, reach: Reach) -> None:
        """The user agrees to a host, over whatever port and path, no farther away and no less protected than now.

        Raises:
            AssistantError: this is no address.
        """
        endpoint = endpoint_of(address)
        fresh = Agreement(endpoint.host, endpoint.scheme, reach)
        with self._lock:
            kept = [one for one in agreements_of(self._store) if not fresh.covers(one.host, one.scheme, one.reach)]
            put_agreements(self._store, [*kept, fresh])

    def withdraw(self, address: str) -> None:
        """The user no longer agrees to a host."""
        host = endpoint_of(address).host
        with self._lock:
            put_agreements(self._store, [one for one in agreements_of(self._store) if one.host != host])

    def refuse_if_paused(self, endpoint: Endpoint | None, reach: Reach) -> None:
        """Let nothing pass to another computer while sending is paused; ``None`` is this program.

        Raises:
            NotAllowed: it is paused.
        """
        if self.paused and not is_here(endpoint, reach):
            raise NotAllowed(
                "Sending is paused, so nothing was sent.", hint="Go on sending (Ctrl+Shift+B), and ask again."
            )

    def check(self, endpoint: Endpoint, reach: Reach, what: str) -> None:
        """Let nothing pass that the user has not agreed to.

        Raises:
            ConsentNeeded: the user has not, or it has come to be farther away, or less protected.
            NotAllowed: sending is paused.
        """
        self.refuse_if_paused(endpoint, reach)
        if is_here(endpoint, reach):
            return
        agreed = [one for one in agreements_of(self._store) if one.host == endpoint.host]
        if not any(one.covers(endpoint.host, endpoint.scheme, reach) for one in agreed):
            raise ConsentNeeded(endpoint, reach, what, _change(agreed[-1], reach) if agreed else "")


def _change(agreed: Agreement, reach: Reach) -> str:
    if agreed.covers(agreed.host, agreed.scheme, reach):
        return f"What goes to {agreed.host} was encrypted when you agreed; now it is not."
    return f"{agreed.host} was {PLACES[agreed.reach]} when you agreed; now it is {PLACES[reach]}."


def endpoint_of(text: str) -> Endpoint:
    """The server at an address, in one form for all ways to write it; of a bare host or IP address, not encrypted.

    Raises:
        AssistantError: there is no host in it.
    """
    url = text.strip()
    if "://" not in url:
        bare = url.strip("[]")
        try:
            url = f"http://[{ipaddress.IPv6Address(bare)}]"
        except ValueError:
            url = f"http://{url}"
    return Endpoint(url)


def is_here(endpoint: Endpoint | None, reach: Reach) -> bool:
    """Whether what is sent there stays here: it is this computer now, and under any network."""
    return reach is Reach.THIS_COMPUTER and (endpoint is None or _is_loopback(endpoint.host))


def _is_loopback(host: str) -> bool:
    """Whether a host is this computer under any network. RFC 6761, 6.3 for the name."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
