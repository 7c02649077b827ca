"""What a download is: an offer, the user's consent to it, and how far it has come."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scenescope.models.cards import ModelCard, card_from
from scenescope.models.errors import DownloadFailed

__all__ = [
    "Cancel",
    "Consent",
    "DownloadCancelled",
    "Offer",
    "Progress",
    "RemoteFile",
    "Told",
    "size_text",
    "time_text",
]


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    Attributes:
        path: where it goes, in the model's folder, with "/".
        url: where it is.
        size_bytes: as the server tells; 0 when it does not.
        sha256: in hex, where the publisher tells it; empty otherwise.
    """

    path: str
    url: str
    size_bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Offer:
    """What would be fetched, and what the user must know to decide.

    Attributes:
        card: the model as it will be kept; its licence and source are part of the question.
        files: what is fetched.
        risk: why the files can run code, as far as their names tell; empty when they cannot.
    """

    card: ModelCard
    files: tuple[RemoteFile, ...]
    risk: str = ""

    @property
    def size_bytes(self) -> int:
        """All files together; 0 when one of them is not known."""
        sizes = [file.size_bytes for file in self.files]
        return sum(sizes) if all(sizes) else 0

    @property
    def host(self) -> str:
        """Where from."""
        return urlsplit(self.files[0].url).netloc

    def question(self) -> str:
        """What the user is asked: what, how much, licence, from where; one fact a line."""
        lines = [
            f"Download {self.card.title}?",
            f"Size: {size_text(self.size_bytes) if self.size_bytes else 'not known'}",
            f"Licence: {self.card.licence or 'not known: look at the source before you use it'}",
            f"From: {self.host} ({self.card.source})",
        ]
        return "\n".join([*lines, f"Take care: {self.risk}."] if self.risk else lines)

    def to_json(self) -> str:
        """For the folder of a download that may be interrupted."""
        content = asdict(self)
        content["card"]["folder"] = None
        return json.dumps(content, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Offer:
        """The same again.

        Raises:
            ValueError, KeyError, TypeError, ModelMissing: the text is not one of ours.
        """
        content = json.loads(text)
        card = dict(content["card"])
        return cls(
            card_from(card.pop("name"), card), tuple(RemoteFile(**file) for file in content["files"]), content["risk"]
        )


@dataclass(frozen=True)
class Consent:
    """The user has seen an offer and said yes to it. Nothing is fetched without one."""

    offer: Offer


@dataclass(frozen=True)
class Progress:
    """How far a download or a copy has come.

    Attributes:
        done_bytes, size_bytes: of all files; ``size_bytes`` is 0 when it is not known.
        rate_bytes_s: lately.
        file: what is being fetched.
    """

    done_bytes: int
    size_bytes: int
    rate_bytes_s: float
    file: str = ""

    @property
    def left_s(self) -> float | None:
        """Time that is left, at this rate; None when nobody can know."""
        if self.size_bytes <= 0 or self.rate_bytes_s <= 0:
            return None
        return max(self.size_bytes - self.done_bytes, 0) / self.rate_bytes_s

    def text(self) -> str:
        """In words: "12.3 of 45.6 MB, 3.4 MB/s, 10 s left"."""
        parts = [size_text(self.done_bytes)]
        if self.size_bytes:
            parts = [f"{size_text(self.done_bytes)} of {size_text(self.size_bytes)}"]
        if self.rate_bytes_s > 0:
            parts.append(f"{size_text(round(self.rate_bytes_s))}/s")
        if self.left_s is not None:
            parts.append(f"{time_text(self.left_s)} left")
        return ", ".join(parts)


Told = Callable[[Progress], None]


class DownloadCancelled(DownloadFailed):
    """The user ended it; what has arrived is kept."""


@dataclass
class Cancel:
    """Ends a download or a copy from another thread, also while it waits for the network."""

    _calls: list[Callable[[], Any]] = field(default_factory=list)
    _set: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cancel(self) -> None:
        """End it. It may be called before it has begun, and more than once."""
        with self._lock:
            self._set.set()
            for call in self._calls:
                call()

    @property
    def cancelled(self) -> bool:
        """True once it was called."""
        return self._set.is_set()

    @contextmanager
    def calling(self, call: Callable[[], Any]) -> Iterator[None]:
        """Call ``call``, from whichever thread cancels, while the block runs."""
        with self._lock:
            self._calls.append(call)
            if self.cancelled:
                call()
        try:
            yield
        finally:
            with self._lock:
                self._calls.remove(call)


def size_text(size_bytes: int) -> str:
    """A size as people say it: "5.6 MB". Thousands, as the file managers of most systems count."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    value, unit = size_bytes / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"


def time_text(seconds: float) -> str:
    """A time as people say it: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
