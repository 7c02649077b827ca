"""Garbage: reference cycles are collected on the GUI thread, where Qt objects may die."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QTimer

__all__ = ["Collector", "collected_on_this_thread"]

INTERVAL_MS = 200
OLDEST = 2


@contextmanager
def collected_on_this_thread() -> Iterator[None]:
    """Collect cycles on the calling thread, which has an event loop, and nowhere else meanwhile.

    Python collects on whichever thread happens to allocate. A window in a cycle would be deleted there, and deleting a
    QObject on another thread than its own takes the process down.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    collector = Collector()
    timer = QTimer()
    timer.timeout.connect(collector.collect_due)
    timer.start(INTERVAL_MS)
    try:
        yield
    finally:
        timer.stop()
        if was_enabled:
            gc.enable()


class Collector:
    """Collects when Python would by itself, by the rules of ``Modules/gcmodule.c`` of CPython 3.11.

    Everything is gone through only when what grew old since the last time is more than a quarter of what was old then:
    with the large libraries loaded it takes a third of a second.
    """

    def __init__(self) -> None:
        self._old = len(gc.get_objects(OLDEST))
        self._grown_old = 0

    def collect_due(self) -> None:
        """Collect the generations whose turn it is."""
        young_due, middle_due, old_due = (
            count > limit for count, limit in zip(gc.get_count(), gc.get_threshold(), strict=True)
        )
        if old_due and self._grown_old > self._old / 4:
            gc.collect()
            self._old, self._grown_old = len(gc.get_objects(OLDEST)), 0
        elif middle_due:
            young = len(gc.get_objects(0)) + len(gc.get_objects(1))
            self._grown_old += max(0, young - gc.collect(1))
        elif young_due:
            gc.collect(0)
