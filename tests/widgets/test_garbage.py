"""Cycles with Qt objects in them die on the GUI thread, whoever allocates."""

from __future__ import annotations

import gc
import threading

import pytest
from PySide6.QtCore import QObject

from scenescope.widgets.garbage import Collector, collected_on_this_thread


class Ring(QObject):
    """An object that only the collector of cycles can free."""

    def __init__(self, died_on: list[threading.Thread]) -> None:
        super().__init__()
        self.ring = self
        self.died_on = died_on

    def __del__(self) -> None:
        self.died_on.append(threading.current_thread())


@pytest.fixture
def as_usual():
    """Python collects by itself, as in the app."""
    before = gc.isenabled()
    gc.enable()
    yield
    if not before:
        gc.disable()


def allocate(kept: list[list[int]]) -> None:
    """Enough for several collections, if there were any."""
    kept.extend([number] for number in range(50_000))


@pytest.mark.usefixtures("as_usual")
def test_a_qt_object_in_a_cycle_dies_on_the_gui_thread(qtbot):
    died_on: list[threading.Thread] = []
    with collected_on_this_thread():
        Ring(died_on)
        kept: list[list[int]] = []
        worker = threading.Thread(target=allocate, args=(kept,))
        worker.start()
        worker.join()
        assert died_on == []
        qtbot.waitUntil(lambda: bool(died_on))
    assert died_on == [threading.main_thread()]
    assert gc.isenabled()


@pytest.mark.usefixtures("as_usual")
def test_without_it_the_object_dies_where_somebody_allocates(qapp):
    died_on: list[threading.Thread] = []
    gc.collect()
    Ring(died_on)
    worker = threading.Thread(target=allocate, args=([],))
    worker.start()
    worker.join()
    assert died_on == [worker]


def test_what_grew_old_is_collected_too(qapp):
    died_on: list[threading.Thread] = []
    collector = Collector()
    ring = Ring(died_on)
    gc.collect(1)
    del ring
    kept = []
    for _ in range(500):
        kept.append([[] for _ in range(5_000)])
        collector.collect_due()
        if died_on:
            break
    assert died_on == [threading.main_thread()]
