"""Tools on the real window: every one of them, from another thread, with undo by click and by Ctrl+Z."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from scenescope.app.assistant.desk import Desk
from scenescope.app.assistant.gate import TurnGate
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.ledger import Ledger
from scenescope.app.assistant.tools.registry import Toolbox, toolbox
from scenescope.models import AssistantError, ScenescopeError
from scenescope.models.language import Change, Risk
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import FakeFilm, fake_registry
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.watches import WatchBook
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.settings import MemorySettings

pytestmark = pytest.mark.slow

T = TypeVar("T")
WAIT_MS = 10_000
SHAPES = {"zones": [{"name": "door", "points": [[0, 0], [1, 0], [1, 1]]}], "lines": []}
SPEC = (
    PipelineSpec().added("boxes").added("tint").added("zones", {"shapes": SHAPES}).added("redact", {"what": "region"})
)
RULE = {"name": "mine", "trigger": "appear", "labels": ["dog"]}


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    palette, sheet = app.palette(), app.styleSheet()
    log = EventLog(tmp_path / "events.db")
    registry = fake_registry()
    made = MainWindow(
        Engine(SPEC, registry=registry),
        MemorySettings(),
        log=log,
        registry=registry,
        open_source=lambda text, **_: FakeFilm(count=600, size_wh=(320, 180), rate_hz=60),
        camera_lister=list,
    )
    made.show()
    yield made
    made.close()
    made.deleteLater()
    log.close()
    app.setStyleSheet(sheet)
    app.setPalette(palette)


@pytest.fixture
def desk(window: MainWindow) -> Desk:
    return Desk(window, WatchBook(), registry=fake_registry())


@pytest.fixture
def tools(desk: Desk) -> Toolbox:
    return toolbox(desk, Knowledge(SceneState, None, lambda: None))


@pytest.fixture
def film(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The window with a film whose pictures can be asked for by their numbers, held at one."""
    window.open_source_text("film")
    qtbot.waitUntil(lambda: window.engine.frame_index is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.bridge.picture is not None, timeout=WAIT_MS)
    window.engine.pause()
    qtbot.waitUntil(lambda: window.playback.phase == "paused", timeout=WAIT_MS)
    return window


@pytest.fixture
def away(qtbot: QtBot) -> Callable[[Callable[[], T]], T]:
    """Calls on another thread while the window lives on; what was raised there is raised here."""

    def call(work: Callable[[], T]) -> T:
        made: list[Any] = []

        def run() -> None:
            try:
                made.append((work(), None))
            except Exception as error:
                made.append((None, error))

        thread = threading.Thread(target=run)
        thread.start()
        qtbot.waitUntil(lambda: bool(made), timeout=WAIT_MS)
        thread.join()
        result, failure = made[0]
        if failure is not None:
            raise failure
        return result

    return call


EDITS = [
    ("set_stage_enabled", {"stage_id": "tint", "enabled": False}),
    ("set_stage_param", {"stage_id": "tint", "name": "add", "value": 99}),
    ("add_stage", {"kind": "tint"}),
    ("remove_stage", {"stage_id": "boxes"}),
    ("move_stage", {"stage_id": "tint", "to": "last"}),
    ("track_class", {"labels": ["dog"]}),
    ("blur_faces", {"on": True}),
    ("clear_zone", {"name": "door"}),
    ("remove_stage", {"stage_id": "redact"}),
]


@pytest.mark.parametrize(("call", "args"), EDITS, ids=lambda value: value if isinstance(value, str) else None)
def test_an_edit_is_one_step_that_both_undos_take_back(
    window: MainWindow, tools: Toolbox, away: Any, call: str, args: dict
):
    tool = tools[call]
    plan = away(lambda: tool.plan(tool.args.model_validate(args)))
    steps = window.editor.stack.count()
    away(plan.do)
    assert window.engine.spec != SPEC
    assert window.editor.stack.count() == steps + 1
    assert window.editor.stack.undoText() == plan.title
    away(plan.undo)
    assert window.engine.spec == SPEC
    window.editor.stack.undo()
    assert window.engine.spec != SPEC
    window.editor.stack.undo()
    assert window.engine.spec == SPEC


def test_every_edit_is_tried_here(tools: Toolbox):
    edits = {name for name, tool in tools.items() if tool.risk is Risk.AUTOMATIC_WITH_UNDO and "watch" not in name}
    assert edits <= {call for call, _ in EDITS}


def test_an_edit_after_one_by_hand_leaves_that(window: MainWindow, tools: Toolbox, away: Any):
    tool = tools["add_stage"]
    plan = away(lambda: tool.plan(tool.args(kind="canny")))
    away(plan.do)
    window.editor.set_param("tint", "add", 7)
    away(plan.undo)
    assert window.engine.spec == SPEC.with_params("tint", add=7)


def test_what_is_not_valid_or_too_late_is_refused(window: MainWindow, desk: Desk, away: Any):
    steps = window.editor.stack.count()
    with pytest.raises(ScenescopeError, match="must be less than"):
        away(lambda: desk.apply(SPEC.with_params("tint", add=999), "Wrong", SPEC))
    with pytest.raises(AssistantError, match="changed meanwhile"):
        away(lambda: desk.apply(SPEC.added("tint"), "Late", PipelineSpec()))
    assert window.engine.spec == SPEC
    assert window.editor.stack.count() == steps


def test_a_refusal_of_the_editor_is_the_error(window: MainWindow, desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> bool:
        window.editor.refused.emit("The test says no.", "Ask the test.")
        return False

    monkeypatch.setattr(window.editor, "replace", refuse)
    with pytest.raises(AssistantError, match=r"The test says no\. Ask the test\."):
        desk.apply(SPEC.added("tint"), "Add", SPEC)


def test_a_seek_shows_the_very_picture(film: MainWindow, desk: Desk, tools: Toolbox, away: Any, qtbot: QtBot):
    view = away(lambda: desk.source)
    assert (view.active, view.playing, view.film, view.duration_s) == (True, False, True, 10.0)
    for number in (471, 13, 14, 599):
        away(lambda number=number: tools["seek"].run(tools["seek"].args(frame=number)))
        qtbot.waitUntil(lambda number=number: film.bridge.picture.frame_index == number, timeout=WAIT_MS)
    away(lambda: tools["seek"].run(tools["seek"].args(t_s=2.0)))
    qtbot.waitUntil(lambda: film.bridge.picture.frame_index == 120, timeout=WAIT_MS)


def test_playing_and_the_view(film: MainWindow, desk: Desk, tools: Toolbox, away: Any, qtbot: QtBot):
    def run(call: str, /, **args: Any) -> None:
        away(lambda: tools[call].run(tools[call].args.model_validate(args)))

    run("play_pause", playing=True)
    qtbot.waitUntil(lambda: film.playback.phase == "playing", timeout=WAIT_MS)
    run("play_pause", playing=False)
    qtbot.waitUntil(lambda: film.playback.phase == "paused", timeout=WAIT_MS)
    run("select_track", track_id=4)
    assert desk.selected_track == film.viewport.selected_track == 4
    desk.select_track(None)
    assert film.viewport.selected_track is None
    run("highlight", labels=["person"])
    assert film.viewport.style_wish.highlighted == ("person",)
    film.layout_keeper.show_dock("events", False)
    run("show_panel", panel="Events")
    assert not film.layout_keeper.docks["events"].isHidden()


def test_without_a_source_nothing_plays(window: MainWindow, desk: Desk, away: Any):
    assert not away(lambda: desk.source).active
    with pytest.raises(AssistantError, match="No source is open"):
        away(lambda: desk.set_playing(True))


def test_a_new_source_is_another_one(film: MainWindow, desk: Desk):
    before = desk.source.key
    film.open_source_text("another")
    assert desk.source.key != before


def test_what_must_be_confirmed_happens_after_the_click(
    film: MainWindow, desk: Desk, tools: Toolbox, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
):
    done: list[str] = []
    recording = film.inspection.recording
    monkeypatch.setattr(film.sources, "choose_file", lambda: done.append("source"))
    monkeypatch.setattr(film.inspection.export, "show_export", lambda: done.append("export"))
    monkeypatch.setattr(recording, "toggle", lambda on: done.append(f"record {on}"))
    monkeypatch.setattr(type(recording), "recording", property(lambda _: "record True" in done))
    ledger = Ledger()
    for number, name in enumerate(("load_source", "export", "start_recording", "stop_recording")):
        turn = TurnGate(tools, ledger)
        assert turn.call(name, {}).value["proposed"]
        assert len(done) == number
        # As from the panel: in the window's own thread.
        ledger.accept(turn.proposals[0].proposal_id)
        qtbot.waitUntil(lambda number=number: len(done) == number + 1, timeout=WAIT_MS)
    assert done == ["source", "export", "record True", "record False"]


def test_a_dialog_that_waits_for_the_user_is_not_waited_for(
    window: MainWindow, desk: Desk, away: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
):
    asked = threading.Event()

    def ask() -> None:
        from PySide6.QtCore import QEventLoop

        asked.set()
        loop = QEventLoop()
        QTimer.singleShot(300, loop.quit)
        loop.exec()

    monkeypatch.setattr(window.sources, "choose_file", ask)
    away(desk.ask_source)
    qtbot.waitUntil(asked.is_set, timeout=WAIT_MS)
    assert away(lambda: desk.recording) is False


def test_watches(desk: Desk, tools: Toolbox, away: Any):
    turn = TurnGate(tools, Ledger())
    assert away(lambda: turn.call("add_watch", {"rule": RULE})).value == {"done": True}
    assert away(lambda: turn.call("set_watch", {"name": "mine", "enabled": False})).value == {"done": True}
    assert [rule.enabled for rule in desk.watches.rules] == [False]
    assert away(lambda: turn.call("remove_watch", {"name": "mine"})).value == {"done": True}
    assert desk.watches.rules == ()


def test_on_the_windows_own_thread_nothing_waits(window: MainWindow, tools: Toolbox):
    ledger = Ledger()
    turn = TurnGate(tools, ledger)
    turn.command([("add_stage", {"kind": "canny"})])
    ledger.undo(turn.changes[0].change_id)
    assert window.engine.spec == SPEC
    asked = TurnGate(tools, ledger, clean_words=False)
    asked.call("add_stage", {"kind": "canny"})
    assert isinstance(ledger.accept(asked.proposals[0].proposal_id), Change)


def test_a_window_that_is_busy_is_given_up_and_does_nothing_later(window: MainWindow, qtbot: QtBot):
    desk = Desk(window, registry=fake_registry(), wait_s=0.1)
    failures: list[Exception] = []

    def edit() -> None:
        try:
            desk.apply(SPEC.added("tint"), "Add", SPEC)
        except AssistantError as error:
            failures.append(error)

    thread = threading.Thread(target=edit)
    thread.start()
    # The window's thread does nothing else meanwhile.
    thread.join(10)
    assert "busy" in str(failures[0])
    qtbot.wait(100)
    assert window.engine.spec == SPEC


def test_a_window_that_closes_ends_the_wait(window: MainWindow):
    desk = Desk(window, registry=fake_registry(), wait_s=60)
    failures: list[Exception] = []

    def edit() -> None:
        try:
            desk.apply(SPEC.added("tint"), "Add", SPEC)
        except AssistantError as error:
            failures.append(error)

    thread = threading.Thread(target=edit)
    thread.start()
    began_s = time.monotonic()
    window.close()
    thread.join(30)
    assert time.monotonic() - began_s < 30
    assert "closing" in str(failures[0])
    with pytest.raises(AssistantError, match="closing"):
        desk.select_track(1)
