"""The thread budget of an analysis beside a window: all cores, behind everything that somebody is looking at."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from dataclasses import dataclass

from scenescope.models.budget import ThreadBudget

__all__ = ["BehindOthers"]

NICENESS = 15


@dataclass(frozen=True)
class BehindOthers(ThreadBudget):
    """Its threads run when no others want to; the player's are at 10. Only Linux has a niceness for each thread."""

    def join_thread(self) -> None:
        """Put the calling thread, and those that it starts from now on, behind others."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
