"""What the user has chosen for the assistant, read from the settings without trusting what stands there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from scenescope.models.language import Reach, wider
from scenescope.widgets.settings import Settings

__all__ = [
    "ANSWER_WITH",
    "CONSENT",
    "DESCRIBE_WITH",
    "HISTORY",
    "MIN_INTERVAL_S",
    "OFF",
    "RULES",
    "SERVERS",
    "Agreement",
    "EndpointFields",
    "Keys",
    "LocalRow",
    "Probe",
    "ReachOf",
    "ServerRow",
    "agreements_of",
    "min_interval_s",
    "put_agreements",
    "put_servers",
    "servers_of",
]

DESCRIBE_WITH = "assistant.describe_with"
ANSWER_WITH = "assistant.answer_with"
SERVERS = "assistant.servers"
MIN_INTERVAL_S = "assistant.min_interval_s"
HISTORY = "assistant.history"
CONSENT = "assistant.consent"
RULES = "rules"
OFF = "off"
DEFAULT_INTERVAL_S = 3.0
# The sampler looks no oftener than the first of these.
INTERVALS_S = (3.0, 3600.0)
MOST_SERVERS = 50


@dataclass(frozen=True)
class ServerRow:
    """A server that the user has entered; its key is kept elsewhere, under ``id``."""

    id: str
    name: str
    url: str
    model: str = ""

    @property
    def key(self) -> str:
        """How it is called in the settings of who describes and who answers."""
        return f"server:{self.id}"


@dataclass(frozen=True)
class Agreement:
    """The user's consent to send pictures to a host, as it was when the user agreed."""

    host: str
    scheme: str
    reach: Reach

    def covers(self, host: str, scheme: str, reach: Reach) -> bool:
        """Whether that is the same host, no farther away, and not without the protection that there was."""
        same = host == self.host and scheme in (self.scheme, "https")
        return same and not wider(reach, self.reach)

    @property
    def words(self) -> str:
        """For a list."""
        where = self.reach.value.partition(":")[0].lower()
        return "  ·  ".join((self.host, where, "encrypted" if self.scheme == "https" else "not encrypted"))


@dataclass(frozen=True)
class LocalRow:
    """A model that can run on this computer. ``ready`` when it is here; otherwise it can be downloaded."""

    name: str
    title: str
    size_text: str
    licence: str
    ready: bool = True

    @property
    def key(self) -> str:
        """How it is called in the settings of who describes and who answers."""
        return f"local:{self.name}"

    @property
    def words(self) -> str:
        """For a list of choices."""
        return self.title if self.ready else f"{self.title} (not downloaded, {self.size_text})"


@dataclass(frozen=True)
class EndpointFields:
    """What the user has typed about a server."""

    url: str
    model: str
    key: str


class Cancelled(Protocol):
    """Tells whether the user has lost patience."""

    def is_set(self) -> bool:
        """True once it shall end."""
        ...


class Keys(Protocol):
    """Where keys of servers are kept, by the server's id. Any of it may be slow, and may raise ScenescopeErrors."""

    def get(self, name: str) -> str:
        """The key, "" when there is none."""
        ...

    def set(self, name: str, key: str) -> None:
        """Keep a key."""
        ...

    def delete(self, name: str) -> None:
        """Forget a key; nothing when there is none."""
        ...


Probe = Callable[[EndpointFields, Callable[[str, str], None], Cancelled], Sequence[str]]
"""Tries a server on a thread: reports (step, what came of it), returns its models; ends soon when it is cancelled."""
ReachOf = Callable[[str], Reach | None]
"""How far a URL's host is away, by its address; None when it cannot be told. May be slow."""


def servers_of(settings: Settings) -> list[ServerRow]:
    """The servers in the settings; what is none is left out."""
    found: dict[str, ServerRow] = {}
    kept = settings.get(SERVERS, [])
    for one in kept if isinstance(kept, list) else []:
        if not isinstance(one, dict):
            continue
        texts = {name: one.get(name, "") for name in ("id", "name", "url", "model")}
        if all(isinstance(text, str) for text in texts.values()) and texts["id"] and texts["url"]:
            found.setdefault(texts["id"], ServerRow(**texts))
    return list(found.values())[:MOST_SERVERS]


def put_servers(settings: Settings, servers: Iterable[ServerRow]) -> None:
    """Keep these servers."""
    settings.set(SERVERS, [asdict(server) for server in servers])


def agreements_of(settings: Settings) -> list[Agreement]:
    """Where pictures may be sent, in the order in which the user agreed.

    What does not say how far the host was, and how it was reached, as a mere name, is no consent.
    """
    kept: Any = settings.get(CONSENT, [])
    found: list[Agreement] = []
    for one in kept if isinstance(kept, list) else []:
        if isinstance(one, dict) and all(isinstance(one.get(name), str) for name in ("host", "scheme", "reach")):
            host, scheme, reach = one["host"], one["scheme"], one["reach"]
            if host and scheme in ("http", "https") and reach in Reach.__members__:
                found.append(Agreement(host, scheme, Reach[reach]))
    return found


def put_agreements(settings: Settings, agreements: Iterable[Agreement]) -> None:
    """Keep these."""
    rows = [{"host": one.host, "scheme": one.scheme, "reach": one.reach.name} for one in agreements]
    settings.set(CONSENT, rows)


def min_interval_s(settings: Settings) -> float:
    """Least seconds between two descriptions."""
    kept = settings.get(MIN_INTERVAL_S, DEFAULT_INTERVAL_S)
    if isinstance(kept, bool) or not isinstance(kept, int | float) or kept != kept:
        return DEFAULT_INTERVAL_S
    return float(min(max(kept, INTERVALS_S[0]), INTERVALS_S[1]))
