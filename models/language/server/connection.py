"""Connection: an endpoint, how far it may be, and how long it may take; makes the client that talks to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scenescope.models.errors import AssistantError
from scenescope.models.language.base import Reach
from scenescope.models.language.server.endpoint import Endpoint, Location, Lookup, system_lookup
from scenescope.models.language.server.limits import Limits

if TYPE_CHECKING:
    import openai

__all__ = ["Connection"]


@dataclass(frozen=True)
class Connection:
    """How a server is reached for one turn.

    Attributes:
        endpoint: who.
        limits: how long it may take, how much it may say.
        allowed: what the user has agreed to: no connection goes farther than that, whatever the host's name says by
            then.
        ask: decides in place of ``allowed``: called on a thread before everything that is sent, also when it is sent
            again, with how far that goes. Raises where it may not.
        lookup: asks for the addresses of a host.
        told_location: called with every location that was found, in the event loop.
    """

    endpoint: Endpoint
    limits: Limits = field(default_factory=Limits)
    allowed: Reach = Reach.INTERNET
    ask: Callable[[Reach], None] | None = None
    lookup: Lookup = system_lookup
    told_location: Callable[[Location], None] | None = None

    def open(self) -> openai.AsyncOpenAI:
        """A client for the event loop that runs; ``async with`` closes it.

        It goes to this endpoint only: no redirects, no proxies, no settings from the environment, no retries but the
        one that :class:`~scenescope.models.language.server.wire.GuardedTransport` makes.

        Raises:
            AssistantError: the library is not installed.
        """
        try:
            import httpx2
            import openai

            from scenescope.models.language.server.wire import GuardedTransport
        except ImportError as error:
            raise AssistantError(
                "The library that talks to servers is not installed.", hint="pip install 'scenescope[assistant]'"
            ) from error
        client = httpx2.AsyncClient(
            transport=GuardedTransport(self),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(self.limits.total_s, connect=self.limits.connect_s),
        )
        # The transport sends the key: here it could end up in a representation or a log.
        return openai.AsyncOpenAI(
            api_key="none",
            organization="",
            project="",
            webhook_secret="",
            base_url=self.endpoint.base_url,
            max_retries=0,
            http_client=client,
        )
