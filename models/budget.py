"""One thread budget for OpenCV, ONNX Runtime, torch and TensorFlow together.

Each of these libraries starts a pool as large as the machine, and on a small machine they trample each other: on two
cores, ONNX Runtime with two spinning threads beside OpenCV's own pool ran 2.5 times slower than with spinning off.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from dataclasses import dataclass
from typing import Any

__all__ = ["ThreadBudget", "usable_cores"]

NICENESS = 10


def usable_cores() -> int:
    """Cores that this process may use, which in a container or under taskset are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1


@dataclass(frozen=True)
class ThreadBudget:
    """How the cores are shared out.

    Attributes:
        workers: frames that are processed at once by stateless stages.
        per_call: threads that one network or one OpenCV call may use within a frame.
        gives_way: whether they run behind others, because a window must answer while networks compute.
    """

    workers: int = 1
    per_call: int = 1
    gives_way: bool = False

    @classmethod
    def for_throughput(cls, cores: int | None = None) -> ThreadBudget:
        """For files: one frame per core, one thread per frame."""
        return cls(workers=cores or usable_cores(), per_call=1)

    @classmethod
    def for_latency(cls, cores: int | None = None) -> ThreadBudget:
        """For live sources: one frame at a time, all cores within it."""
        return cls(workers=1, per_call=cores or usable_cores())

    def join_thread(self) -> None:
        """Put the calling thread, and those that it starts from now on, under this budget.

        On Linux a thread has a niceness of its own; elsewhere nothing is done.
        """
        if self.gives_way and sys.platform == "linux":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

    def apply(self) -> None:
        """Set the pools of the libraries that are imported already; call again after importing another one.

        ``import ultralytics`` sets OpenCV's pool to none, for one.
        """
        import cv2

        cv2.setNumThreads(self.per_call)
        torch: Any = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "set_num_threads"):
            torch.set_num_threads(self.per_call)
        tensorflow: Any = sys.modules.get("tensorflow")
        if tensorflow is not None and hasattr(tensorflow, "config"):
            # Its pools are made with its first tensor, and cannot be changed after.
            with contextlib.suppress(RuntimeError):
                tensorflow.config.threading.set_intra_op_parallelism_threads(self.per_call)
                tensorflow.config.threading.set_inter_op_parallelism_threads(max(self.workers, 1))
