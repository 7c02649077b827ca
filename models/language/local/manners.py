"""What the process of a local model does first: it gives way to the video, and gives up the network."""

from __future__ import annotations

import contextlib
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

__all__ = ["NICENESS", "forbid_network", "give_way"]

NICENESS = 15
"""Behind the networks of the video, which run at 10 where a window is to answer."""
_FIRST_TO_GO = "800"
_NETWORK = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethost")


def give_way() -> None:
    """Compute, and read from the disk, when nobody else wants to; be the one that goes when memory runs out."""
    own = psutil.Process()
    with contextlib.suppress(psutil.Error, OSError):
        # Windows has classes of priority instead.
        own.nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", NICENESS))
    if sys.platform == "linux":
        with contextlib.suppress(psutil.Error, OSError):
            own.ionice(psutil.IOPRIO_CLASS_IDLE)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    # Ctrl+C in a terminal reaches the whole group; the app decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def forbid_network() -> None:
    """Make every connection and look-up of a name raise PermissionError, for the rest of this process.

    An audit hook (PEP 578) cannot be removed. It sees what Python's sockets do; what goes past them, as libraries
    written in Rust would, is told to stay offline besides.
    """

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(_NETWORK):
            raise PermissionError(f"{event}: the process of a local model has no network")

    sys.addaudithook(refuse)
    with contextlib.suppress(ImportError):
        # What HF_HUB_OFFLINE and HF_HUB_DISABLE_TELEMETRY set.
        constants: Any = import_module("huggingface_hub.constants")
        constants.HF_HUB_OFFLINE = constants.HF_HUB_DISABLE_TELEMETRY = True
