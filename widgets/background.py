"""Work in a thread of its own whose outcome the GUI thread comes to fetch: the thread touches no widget."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from scenescope.models.catalogue.offers import Cancel, Progress

__all__ = ["Background"]

JOIN_WITHIN_S = 2.0


class Background:
    """Runs ``work`` at once.

    Args:
        work: called with ``told`` for its progress and a :class:`Cancel`; what it returns becomes ``result``.
        name: of the thread.

    Attributes:
        progress: the newest there is; None before the first.
        result, error: once :attr:`done`, one of them.
    """

    def __init__(self, work: Callable[[Callable[[Progress], None], Cancel], Any], name: str) -> None:
        self.progress: Progress | None = None
        self.result: Any = None
        self.error: Exception | None = None
        self._cancel = Cancel()
        self._work = work
        # A look-up of a host's name cannot be ended; it must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """True once the outcome is there."""
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Ask it to end."""
        self._cancel.cancel()

    def close(self) -> None:
        """Ask it to end, and wait a little until it has."""
        self.cancel()
        self._thread.join(JOIN_WITHIN_S)

    def _run(self) -> None:
        try:
            self.result = self._work(self._tell, self._cancel)
        except Exception as error:
            self.error = error

    def _tell(self, progress: Progress) -> None:
        self.progress = progress
