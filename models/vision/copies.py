"""How often pictures and tensors are copied between the host and a device: counted, since it is what slows a GPU."""

from __future__ import annotations

import threading
from dataclasses import dataclass

__all__ = ["COPIES", "CopyCount", "CopyCounter"]


@dataclass(frozen=True)
class CopyCount:
    """Copies to and from devices, and their bytes."""

    uploads: int = 0
    downloads: int = 0
    uploaded_bytes: int = 0
    downloaded_bytes: int = 0

    def __sub__(self, other: CopyCount) -> CopyCount:
        return CopyCount(
            self.uploads - other.uploads,
            self.downloads - other.downloads,
            self.uploaded_bytes - other.uploaded_bytes,
            self.downloaded_bytes - other.downloaded_bytes,
        )


class CopyCounter:
    """Counts on whatever thread a copy is made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = CopyCount()

    def uploaded(self, n_bytes: int) -> None:
        """A tensor went from the host to a device."""
        with self._lock:
            c = self._count
            self._count = CopyCount(c.uploads + 1, c.downloads, c.uploaded_bytes + n_bytes, c.downloaded_bytes)

    def downloaded(self, n_bytes: int) -> None:
        """A tensor came back."""
        with self._lock:
            c = self._count
            self._count = CopyCount(c.uploads, c.downloads + 1, c.uploaded_bytes, c.downloaded_bytes + n_bytes)

    @property
    def count(self) -> CopyCount:
        """All so far."""
        with self._lock:
            return self._count


COPIES = CopyCounter()
"""The counter of this process."""
