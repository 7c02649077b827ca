from __future__ import annotations

import gc
import sys
import threading
from typing import Any

from PySide6.QtWidgets import QWidget

from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import EngineFault, PipelineChanged, SourcePhase, StageFailed
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.widgets.bridge import MOST_FAILURES, EngineBridge


def test_one_wake_up_for_any_number_of_events(qtbot: Any) -> None:
    engine = Engine(registry=fake_registry())
    bridge = EngineBridge(engine)
    specs: list[PipelineSpec] = []
    bridge.pipeline_changed.connect(lambda change: specs.append(change.spec))

    def burst() -> None:
        spec = PipelineSpec()
        for _ in range(200):
            spec = spec.added("tint")
            engine.apply(spec)

    thread = threading.Thread(target=burst)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(specs))
    assert bridge.wake_ups == 1
    assert len(specs) == 1
    assert len(specs[0].stages) == 200
    bridge.close()


def test_failures_are_kept_in_order_up_to_a_bound(qtbot: Any) -> None:
    engine = Engine()
    bridge = EngineBridge(engine)
    heard: list[Any] = []
    bridge.stage_failed.connect(heard.append)
    bridge.fault.connect(heard.append)
    for number in range(MOST_FAILURES + 20):
        bridge._listen(StageFailed("a", f"failure {number}", "", False))
    bridge._listen(EngineFault("a test", "boom", ""))
    qtbot.waitUntil(lambda: bool(heard))
    assert len(heard) == MOST_FAILURES
    assert heard[-2].message == f"failure {MOST_FAILURES + 19}"
    assert isinstance(heard[-1], EngineFault)
    bridge.close()


def test_pictures_are_taken_by_the_gui_thread_and_counted_once(qtbot: Any) -> None:
    engine = Engine(registry=fake_registry())
    bridge = EngineBridge(engine)
    threads: set[threading.Thread] = set()
    bridge.picture_changed.connect(lambda: threads.add(threading.current_thread()))
    engine.start(FakeSource(count=20, rate_hz=100), paced=True)
    qtbot.waitUntil(lambda: engine.source_state.phase is SourcePhase.ENDED, timeout=10_000)
    qtbot.waitUntil(lambda: bridge.picture is not None and bridge.picture.frame_index == 19, timeout=5_000)
    assert threads == {threading.main_thread()}
    assert bridge.picture is not None
    bridge.note_painted(bridge.picture)
    bridge.note_painted(bridge.picture)
    assert bridge.painted().count == 1
    bridge.close()
    assert engine.stop()


def test_a_closed_bridge_hears_nothing(qtbot: Any) -> None:
    engine = Engine(registry=fake_registry())
    bridge = EngineBridge(engine)
    heard: list[PipelineChanged | None] = []
    bridge.pipeline_changed.connect(heard.append)
    engine.apply(PipelineSpec().added("tint"))
    bridge.close()
    engine.apply(PipelineSpec())
    bridge.post(lambda: heard.append(None))
    qtbot.wait(20)
    assert heard == []


def test_pictures_from_before_a_change_of_source_are_not_shown(qtbot: Any) -> None:
    engine = Engine(registry=fake_registry())
    bridge = EngineBridge(engine)
    engine.start(FakeSource(count=5, rate_hz=100), paced=True)
    qtbot.waitUntil(lambda: bridge.picture is not None and bridge.picture.frame_index == 4, timeout=10_000)
    bridge.forget_picture()
    seen = bridge.wake_ups
    engine.display.set_view(engine.display.options.__class__(size_wh=(100, 100)))
    qtbot.waitUntil(lambda: bridge.wake_ups > seen, timeout=5_000)
    assert bridge.picture is None
    bridge.close()
    assert engine.stop()


def test_what_helpers_post_runs_in_the_gui_thread(qtbot: Any) -> None:
    bridge = EngineBridge(Engine())
    ran_on: list[threading.Thread] = []
    thread = threading.Thread(target=lambda: bridge.post(lambda: ran_on.append(threading.current_thread())))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(ran_on))
    assert ran_on == [threading.main_thread()]
    bridge.close()


def test_qt_calls_do_not_eat_references_to_none(qtbot: Any) -> None:
    widget = QWidget()
    qtbot.addWidget(widget)
    gc.collect()
    before = sys.getrefcount(None)
    for _ in range(500):
        widget.update()
    # An interpreter with immortal None reports a constant; one without must not lose any.
    assert sys.getrefcount(None) >= before - 50
