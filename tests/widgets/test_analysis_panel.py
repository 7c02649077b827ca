"""The dock of analyses, and the commands behind it, over a real log and a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.analysis.compare import ClassAgreement, Comparison, Difference, DifferentRange
from scenescope.pipelines.analysis.fakes import Finder, analysis_registry, write_film
from scenescope.pipelines.analysis.run import AnalysisProgress, AnalysisState
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.log.records import Session, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.sources.frame_index import FrameIndex
from scenescope.pipelines.sources.open import open_source
from scenescope.pipelines.sources.replay import Replay
from scenescope.widgets.analysis_commands import AnalysisCommands
from scenescope.widgets.analysis_comparison import difference_words
from scenescope.widgets.analysis_panel import AnalysisPanel, RangeChoice
from scenescope.widgets.analysis_rows import RunRow, row_of
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.history import PipelineEditor
from scenescope.widgets.playback import Playback
from scenescope.widgets.settings import MemorySettings
from scenescope.widgets.transport_marks import Span
from scenescope.widgets.transport_time import FilmExtent

SPEC = PipelineSpec(name="Squares").added("finder").added("follow")


def session(number: int, **more: Any) -> Session:
    values = {"kind": SessionKind.ANALYSIS, "source": "/films/a.mp4", "fingerprint": "a", "title": f"Run {number}"}
    return Session(**{**values, "began_wall_s": number * 100.0, "id": number, **more})


# Rows ----------------------------------------------------------------------------------------------------------------

STATES = AnalysisState


@pytest.mark.parametrize(
    ("row", "state", "words", "share", "resumable"),
    [
        (RunRow(session(1, complete=True, frames=1800), "a"), "Complete", "1,800 frames", None, False),
        (RunRow(session(1, frames=30, last_s=1.0), "a"), "Interrupted", "30 frames, as far as 0:01.0", None, True),
        (
            RunRow(session(1, frames=30, last_s=15.0, start_s=10.0, end_s=20.0, ended_wall_s=1.0), "a"),
            "Stopped", "30 frames, as far as 0:15.0", 0.5, True,
        ),
        (
            RunRow(session(1), "a", True, AnalysisProgress(STATES.RUNNING, 300, 1200, 10.0, 30.0, 30.0)),
            "Running", "300 of 1,200 frames · 30 fps · 0:30 left", 0.25, False,
        ),
        (
            RunRow(session(1), "a", True, AnalysisProgress(STATES.RUNNING, 300, 0, 10.0, 2.5)),
            "Running", "300 frames · 2.5 fps", None, False,
        ),
        (
            RunRow(session(1), "a", True, AnalysisProgress(STATES.PAUSED, 3, 12)),
            "Paused", "3 of 12 frames", 0.25, False,
        ),
        (
            RunRow(session(1), "a", True, AnalysisProgress(STATES.FAILED, 3, 12, message="The disk is full.")),
            "Failed", "The disk is full.", 0.25, True,
        ),
        (RunRow(session(1), "a", True, AnalysisProgress(STATES.DONE, 12, 12)), "Complete", "12 frames", None, False),
    ],
)  # fmt: skip
def test_rows_in_words(row: RunRow, state: str, words: str, share: float | None, resumable: bool) -> None:
    assert (row.state, row.words, row.share, row.resumable) == (state, words, share, resumable)


def test_what_a_row_is_about() -> None:
    assert row_of(session(1, pipeline=SPEC.to_yaml(), title=""), here=True).title == "finder, follow"
    assert row_of(session(1, pipeline="rubbish: [", title="")).title == "Unreadable pipeline"
    about = RunRow(session(1, start_s=10.0, end_s=62.5), "a").about
    assert about.startswith("a.mp4 · 0:10.0 to 1:02.5 · ")
    assert RunRow(session(1), "a", here=True).about.startswith("Whole film · ")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (Difference(1, 0.0, ("car", "car", "dog")), "car (2) and dog only in the first"),
        (Difference(1, 0.0, (), ("car",), (("bus", "truck"),)), "car only in the second, bus is truck in the second"),
    ],
)
def test_differences_in_words(one: Difference, words: str) -> None:
    assert difference_words(one) == words


# The panel ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def panel(qtbot: Any) -> AnalysisPanel:
    index = FrameIndex(np.arange(100), Fraction(1, 25), np.zeros(100, bool))
    panel = AnalysisPanel(lambda: FilmExtent(4.0, 100, 25.0, index))
    qtbot.addWidget(panel)
    panel.resize(360, 640)
    panel.show_film("a.mp4", "finder")
    with qtbot.waitActive(panel):
        panel.show()
        panel.activateWindow()
    return panel


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        ("", "", (None, None)),
        ("1.0", "0:02", (1.0, 2.0)),
        ("#25", "#50", (1.0, 2.0)),
        ("", "50%", (None, pytest.approx(2.0))),
        ("1:00", "", "4.0 long"),
        ("2", "1", "ends before"),
        ("x", "", "no place"),
        ("#500", "", "no picture #500"),
    ],
)
def test_typed_ranges(panel: AnalysisPanel, start: str, end: str, times: Any) -> None:
    panel.choice.setCurrentText(RangeChoice.TYPED)
    panel.start_at.setText(start)
    panel.end_at.setText(end)
    wished: list[Any] = []
    panel.start_wished.connect(wished.append)
    QTest.keyClick(panel.end_at, Qt.Key.Key_Return)
    if isinstance(times, str):
        assert times in panel.problem.text()
        assert panel.problem.isVisible()
        assert not panel.start_button.isEnabled()
        assert wished == []
    else:
        assert wished == [times]
        assert not panel.problem.isVisible()


def test_marks(panel: AnalysisPanel) -> None:
    panel.choice.setCurrentText(RangeChoice.MARKS)
    assert "no marks" in panel.problem.text()
    assert not panel.start_button.isEnabled()
    panel.show_marks(Span(1.0, 2.0))
    start_s, end_s = panel.times()
    index = panel._extent().index
    assert start_s == 1.0
    assert end_s is not None
    assert index is not None
    assert index.index_at(end_s) == index.index_at(2.0) + 1, "the picture at the out mark belongs to it"
    panel.show_marks(Span(None, 2.0))
    assert panel.times()[0] is None
    assert panel.start_button.isEnabled()


def test_nothing_to_start(panel: AnalysisPanel) -> None:
    for film, pipeline, busy in (("", "finder", False), ("a.mp4", "", False), ("a.mp4", "finder", True)):
        panel.show_film(film, pipeline)
        panel.show_busy(busy)
        assert not panel.start_button.isEnabled()
    panel.show_busy(False)
    assert panel.start_button.isEnabled()


def test_what_can_be_done_with_what_is_chosen(panel: AnalysisPanel) -> None:
    running = AnalysisProgress(AnalysisState.RUNNING, 3, 12)
    rows = [
        RunRow(session(4), "a", True, running),
        RunRow(session(3, complete=True), "a", True),
        RunRow(session(2), "a", True),
        RunRow(session(1, fingerprint="b"), "a"),
    ]
    panel.show_rows(rows)
    can = (panel.pause, panel.cancel, panel.show_button, panel.compare, panel.delete)

    def now(*ids: int) -> tuple[list[bool], str]:
        panel.list.clearSelection()
        for number in ids:
            panel.choose(number, alone=False)
        return [button.isEnabled() for button in can], panel.pause.text()

    assert now() == ([False] * 5, "Pause")
    assert now(4) == ([True, True, True, False, False], "Pause")
    assert now(3) == ([False, False, True, False, True], "Pause")
    assert now(2) == ([True, False, True, False, True], "Resume")
    assert now(2, 3) == ([False, False, False, True, True], "Pause")
    assert now(1, 2) == ([False, False, False, False, True], "Pause"), "of two films"
    panel.show_progress(4, AnalysisProgress(AnalysisState.PAUSED, 3, 12))
    assert now(4) == ([True, True, True, False, False], "Resume")
    panel.show_busy(True)
    assert now(2)[0][0] is False, "one runs at a time"
    panel.choose(3)
    panel.show_rows([RunRow(session(5), "a", True), *rows])
    assert [row.session.id for row in panel.chosen] == [3], "the choice stays"
    for at in range(panel.rows.rowCount()):
        index = panel.rows.index(at)
        assert index.data(Qt.ItemDataRole.AccessibleTextRole)
        assert index.data(Qt.ItemDataRole.ToolTipRole)


def test_keys_alone(panel: AnalysisPanel) -> None:
    told: list[Any] = []
    panel.show_wished.connect(lambda one: told.append(("show", one)))
    panel.delete_wished.connect(lambda ids: told.append(("delete", ids)))
    panel.jump_wished.connect(lambda frame, pts_s: told.append((frame, pts_s)))
    panel.show_rows([RunRow(session(2, complete=True), "a", True), RunRow(session(1, complete=True), "a", True)])
    panel.choose(2)
    panel.list.setFocus()
    QTest.keyClick(panel.list, Qt.Key.Key_Return)
    QTest.keyClick(panel.list, Qt.Key.Key_Delete)
    found = Comparison(
        10, 0, 3, 5, 9, (ClassAgreement("car", 7, 7, 5),), 2,
        (Difference(4, 0.4, ("car",)), Difference(7, 0.7, ("car",))), (DifferentRange(4, 4, 0.4, 0.4, 1),),
    )  # fmt: skip
    panel.show_comparison(found, "one", "other")
    assert panel.comparison.headline.text() == "55.6% agreement"
    assert "2 of 10 pictures" in panel.comparison.summary.text()
    QTest.keyClick(panel.comparison.frames, Qt.Key.Key_Down)
    QTest.keyClick(panel.comparison.frames, Qt.Key.Key_Return)
    assert told[0] == ("show", 2)
    assert told[1] == ("delete", [2])
    assert told[2] in ((4, 0.4), (7, 0.7))
    QTest.keyClick(panel.comparison.frames, Qt.Key.Key_Escape)
    assert panel.stack.currentIndex() == 0


# The commands --------------------------------------------------------------------------------------------------------


class Desk:
    """All that the commands need, without the rest of the window."""

    def __init__(self, folder: Path) -> None:
        self.window = QWidget()
        registry = analysis_registry()
        self.engine = Engine(SPEC, registry=registry)
        self.bridge = EngineBridge(self.engine, self.window)
        self.log = EventLog(folder / "events.db")
        settings = MemorySettings()
        self.playback = Playback(self.engine, settings, open_source, self.window)
        self.editor = PipelineEditor(self.engine, self.window)
        self.commands = AnalysisCommands(
            self.engine, self.bridge, self.log, self.playback, self.editor, settings, self.window, registry=registry
        )
        self.panel = self.commands.panel
        self.said: list[tuple[str, str]] = []
        self.commands.failed.connect(lambda message, hint: self.said.append((message, hint)))
        self.commands.told.connect(lambda message, hint: self.said.append((message, hint)))

    def close(self) -> None:
        Finder.gate.set()
        self.commands.close()
        self.bridge.close()
        assert self.engine.stop(10)
        self.log.close()
        self.panel.deleteLater()
        self.window.deleteLater()


@pytest.fixture
def desk(qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def analyse(desk: Desk, qtbot: Any, **more: Any) -> int:
    before = len(desk.said)
    desk.editor.replace(desk.engine.spec.with_params("finder", **more), "Change")
    desk.commands.start()
    qtbot.waitUntil(lambda: len(desk.said) > before, timeout=30_000)
    assert "is analysed: 60 pictures" in desk.said[-1][0], desk.said
    assert desk.commands.run is not None
    return desk.commands.run.session.id


@pytest.mark.slow
def test_from_start_to_comparison(desk: Desk, qtbot: Any, tmp_path: Path) -> None:
    film = write_film(tmp_path / "squares.mp4")
    desk.playback.open_text(str(film))
    first = analyse(desk, qtbot)
    second = analyse(desk, qtbot, label="box", least=150)
    qtbot.waitUntil(lambda: len([row for row in desk.panel.rows.rows if row.complete and row.here]) == 2)
    desk.panel.choose(first)
    desk.panel.choose(second, alone=False)
    desk.commands.compare()
    qtbot.waitUntil(lambda: desk.panel.comparison.comparison is not None, timeout=30_000)
    found = desk.panel.comparison.comparison
    assert found is not None
    assert found.frames == 60
    assert found.agreement == 0
    assert found.differing == 60
    assert [one.label for one in found.classes] == ["box", "square"]

    desk.panel.show_list()
    desk.panel.choose(first)
    desk.commands.show_replay()
    qtbot.waitUntil(lambda: isinstance(desk.playback.source, Replay), timeout=10_000)
    assert desk.engine.spec.stages == ()
    looked = len(Finder.seen)
    qtbot.waitUntil(lambda: desk.engine.latest is not None and "follow" in desk.engine.latest.results)
    desk.panel.jump_wished.emit(30, 1.0)
    qtbot.waitUntil(lambda: desk.engine.latest is not None and desk.engine.latest.index == 30, timeout=10_000)
    assert desk.engine.latest is not None
    assert list(desk.engine.latest.results) == ["finder", "follow"]
    assert len(Finder.seen) == looked, "no stage ran"
    assert "with finder, follow" in desk.panel.hint.text(), "what it shows can be run again"
    assert desk.panel.start_button.isEnabled()
    desk.editor.stack.undo()
    assert [stage.id for stage in desk.engine.spec.stages] == ["finder", "follow"]


@pytest.mark.slow
def test_pause_cancel_resume_delete(desk: Desk, qtbot: Any, tmp_path: Path) -> None:
    desk.playback.show(open_source(str(write_film(tmp_path / "squares.mp4"))), str(tmp_path / "squares.mp4"))
    desk.editor.replace(desk.engine.spec.with_params("finder", delay_s=0.02), "Slow")
    desk.commands.start()
    qtbot.waitUntil(lambda: any(row.progress and row.progress.frames > 3 for row in desk.panel.rows.rows))
    session_id = desk.panel.rows.rows[0].session.id
    desk.commands.start()
    assert desk.said == [("An analysis is under way.", "Wait until it is done, or cancel it.")]
    desk.panel.choose(session_id)
    desk.panel.toggle_chosen()
    qtbot.waitUntil(lambda: desk.panel.rows.rows[0].state == "Paused")
    assert desk.panel.pause.text() == "Resume"
    desk.panel.toggle_chosen()
    qtbot.waitUntil(lambda: desk.panel.rows.rows[0].state == "Running")
    desk.panel.cancel.click()
    qtbot.waitUntil(lambda: desk.panel.rows.rows[0].state == "Stopped", timeout=10_000)
    qtbot.waitUntil(lambda: desk.panel.start_button.isEnabled())
    desk.panel.toggle_chosen()
    qtbot.waitUntil(lambda: desk.panel.rows.rows[0].state == "Complete", timeout=30_000)
    desk.panel.delete_chosen()
    assert desk.commands.question is not None
    next(b for b in desk.commands.question.buttons() if b.text() == "Delete").click()
    qtbot.waitUntil(lambda: desk.panel.rows.rows == [], timeout=10_000)
    assert desk.log.sessions() == []


@pytest.mark.slow
def test_closing_ends_an_analysis_that_can_go_on(desk: Desk, qtbot: Any, tmp_path: Path) -> None:
    desk.playback.open_text(str(write_film(tmp_path / "squares.mp4")))
    desk.editor.replace(desk.engine.spec.with_params("finder", delay_s=0.05), "Slow")
    desk.commands.start()
    qtbot.waitUntil(lambda: any(row.progress and row.progress.frames > 3 for row in desk.panel.rows.rows))
    desk.commands.close()
    desk.log.flush()
    (kept,) = desk.log.sessions()
    assert not kept.complete
    assert kept.ended_wall_s is not None
    assert len(desk.log.frame_numbers(kept.id)) > 3


@pytest.mark.slow
def test_what_cannot_be_done_is_said(desk: Desk, qtbot: Any, tmp_path: Path) -> None:
    desk.commands.start()
    desk.commands.compare()
    desk.commands.show_replay()
    assert [message for message, _ in desk.said] == [
        "There is no film to analyse.",
        "Two analyses are compared.",
        "This film has not been analysed.",
    ]
    desk.said.clear()
    path = tmp_path / "squares.mp4"
    desk.playback.open_text(str(write_film(path)))
    desk.editor.replace(PipelineSpec(), "Nothing")
    qtbot.waitUntil(lambda: not desk.panel.start_button.isEnabled())
    desk.commands.start()
    assert "no stage" in desk.said.pop()[0]
    desk.editor.replace(PipelineSpec().added("finder", {"fail_from": 10}), "Fails")
    qtbot.waitUntil(lambda: desk.panel.start_button.isEnabled())
    desk.commands.start()
    qtbot.waitUntil(lambda: bool(desk.said), timeout=30_000)
    assert "cannot do frame" in desk.said.pop()[0]
    qtbot.waitUntil(lambda: desk.panel.rows.rows[0].failed and "cannot do frame" in desk.panel.rows.rows[0].words)
    path.unlink()
    desk.commands.start()
    qtbot.waitUntil(lambda: bool(desk.said), timeout=30_000)
    assert "does not exist" in desk.said.pop()[0]
    assert not desk.commands.busy
