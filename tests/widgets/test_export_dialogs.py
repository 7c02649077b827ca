"""The dialogs for export and comparison, over a real event log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from scenescope.models.catalogue.offers import Cancel
from scenescope.models.errors import ScenescopeError
from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.exchange.fakes import logged, make_table
from scenescope.pipelines.exchange.formats import FORMATS
from scenescope.pipelines.exchange.table import BoxTable
from scenescope.pipelines.log.records import NewSession, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.widgets.banner import Level
from scenescope.widgets.export_commands import ExportCommands
from scenescope.widgets.export_dialog import ExportDialog
from scenescope.widgets.export_work import ExportCancelled, ExportRequest, export
from scenescope.widgets.metrics_dialog import HEADER, MetricsDialog
from scenescope.widgets.settings import MemorySettings

pytestmark = pytest.mark.slow


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "log.sqlite")
    yield made
    made.close()


def idle(dialog: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: not dialog.background.busy, timeout=60_000)


@pytest.fixture
def make_export(qtbot: Any, log: EventLog, tmp_path: Path) -> Iterator[Any]:
    made: list[ExportDialog] = []

    def make(settings: MemorySettings | None = None) -> ExportDialog:
        dialog = ExportDialog(log, settings or MemorySettings(), tmp_path / "out")
        made.append(dialog)
        dialog.show()
        idle(dialog, qtbot)
        return dialog

    yield make
    for dialog in made:
        dialog.close()
        dialog.deleteLater()


@pytest.fixture
def make_metrics(qtbot: Any, log: EventLog) -> Iterator[Any]:
    made: list[MetricsDialog] = []

    def make(path: Path | str = "") -> MetricsDialog:
        dialog = MetricsDialog(log, MemorySettings({"metrics.path": str(path)}))
        made.append(dialog)
        dialog.show()
        idle(dialog, qtbot)
        return dialog

    yield make
    for dialog in made:
        dialog.close()
        dialog.deleteLater()


def tick(dialog: ExportDialog, *names: str) -> None:
    for name, box in dialog.formats.items():
        box.setChecked(name in names)


# Export ----------------------------------------------------------------------------------------------------------


def test_writes_what_is_chosen(make_export: Any, log: EventLog, qtbot: Any, tmp_path: Path):
    table = make_table(20)
    logged(log, table)
    settings = MemorySettings()
    dialog = make_export(settings)
    tick(dialog, "csv", "coco")
    dialog.report.setChecked(True)
    dialog.begin.click()
    idle(dialog, qtbot)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"results.csv", "results.coco", "report.html"}
    back = FORMATS["csv"].read(tmp_path / "out" / "results.csv")
    assert len(back) == len(table)
    assert back.frame_pts_s.tolist() == table.frame_pts_s.tolist()
    assert f"{len(table)} objects in 20 frames" in dialog.written.text()
    assert dialog.notice.level is Level.INFO
    assert settings.get("export.formats") == ["csv", "coco"]
    assert settings.get("export.folder") == str(tmp_path / "out")


def test_nothing_chosen_and_nothing_there(make_export: Any, log: EventLog):
    dialog = make_export()
    assert "nothing to export" in dialog.notice.message.text()
    assert not dialog.begin.isEnabled()
    logged(log, make_table(3))
    dialog = make_export()
    assert dialog.begin.isEnabled()
    tick(dialog)
    assert not dialog.begin.isEnabled()
    assert not dialog.images.isEnabled()
    dialog.clips.setChecked(True)
    assert dialog.begin.isEnabled()


def test_failures_are_said(make_export: Any, log: EventLog, qtbot: Any, tmp_path: Path):
    watched = log.begin(NewSession(SessionKind.WATCHED, "Desk camera"))
    log.end(watched, True)
    log.flush()
    dialog = make_export()
    tick(dialog, "csv")
    dialog.begin.click()
    idle(dialog, qtbot)
    assert "watched, not analysed" in dialog.notice.message.text()
    logged(log, make_table(3))
    dialog.refresh()
    idle(dialog, qtbot)
    dialog.runs.setCurrentIndex(0)
    (tmp_path / "file").write_text("")
    dialog.folder.setText(str(tmp_path / "file"))
    dialog.begin.click()
    idle(dialog, qtbot)
    assert dialog.notice.level is Level.ERROR
    assert "Cannot write" in dialog.notice.message.text()
    dialog.folder.setText("  ")
    dialog.begin.click()
    assert "No folder" in dialog.notice.message.text()


def test_the_run_of_the_source_is_offered_first(qtbot: Any, log: EventLog, tmp_path: Path):
    first = logged(log, make_table(3), "/films/a.mp4")
    logged(log, make_table(3), "/films/b.mp4")
    dialog = ExportDialog(log, MemorySettings(), tmp_path, "a.mp4")
    idle(dialog, qtbot)
    assert dialog.runs.session_id == first
    dialog.close()
    dialog.deleteLater()


def test_keyboard_alone(make_export: Any, log: EventLog, qtbot: Any, tmp_path: Path):
    logged(log, make_table(3))
    dialog = make_export()
    seen: list[QWidget] = []
    dialog.runs.setFocus()
    for _ in range(30):
        focus = QApplication.focusWidget()
        if focus is None or focus in seen:
            break
        seen.append(focus)
        QTest.keyClick(focus, Qt.Key.Key_Tab)
    for widget in (dialog.folder, *dialog.formats.values(), dialog.report, dialog.begin):
        assert widget in seen
        assert widget.toolTip()
    QTest.keyClick(dialog, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    idle(dialog, qtbot)
    assert (tmp_path / "out" / "results.csv").exists()


# The work behind it ----------------------------------------------------------------------------------------------


class Film:
    """A short film, and a session that was made of it."""

    def __init__(self, log: EventLog, path: Path, pipeline: str = "") -> None:
        import av

        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for index in range(30):
                image = np.full((48, 64, 3), index * 8, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
            container.mux(stream.encode())
        index = np.arange(5, 25, 5)
        table = BoxTable(
            path.name, (64, 48), 10.0, index, index / 10, [0, 1, 3], [0, 0, 0], ("car",), [0.9] * 3,
            [[1, 2, 30, 40]] * 3, [1, 1, 1],
        )  # fmt: skip
        events = [LogEvent(EventKind.APPEAR, at / 10, at, "car", 1) for at in (5, 20)]
        self.session_id = logged(log, table, path, pipeline, events)


@pytest.mark.slow
def test_pictures_clips_and_frames_come_from_the_film(log: EventLog, tmp_path: Path):
    film = Film(log, tmp_path / "film.mp4")
    out = tmp_path / "out"
    request = ExportRequest(
        film.session_id, out, ("yolo",), images=True, clips=True, frames=True, before_s=0.2, after_s=0.3
    )
    told: list[Any] = []
    said = export(log, request, told.append, Cancel())
    pictures = sorted((out / "results.yolo" / "images" / "train").iterdir())
    assert [p.name for p in pictures] == [f"frame_{i:06d}.jpg" for i in (5, 10, 15, 20)]
    assert len(list((out / "clips").iterdir())) == 2
    assert len(list((out / "frames").iterdir())) == 2
    assert {p.name for p in out.iterdir()} == {"results.yolo", "clips", "frames"}
    assert any("2 clips of 2 events" in words for words in said)
    shares = [progress.done_bytes for progress in told]
    assert shares == sorted(shares)
    none = export(log, replace(request, formats=(), kinds=(EventKind.SPEED,)), told.append, Cancel())
    assert none == ["There are no such events: no clips and no pictures of events were saved."]


@pytest.mark.slow
def test_what_was_hidden_is_not_shown(log: EventLog, tmp_path: Path):
    film = Film(log, tmp_path / "film.mp4", PipelineSpec().added("redact").to_yaml())
    for request in (
        ExportRequest(film.session_id, tmp_path / "out", ("yolo",), images=True),
        ExportRequest(film.session_id, tmp_path / "out", clips=True),
        ExportRequest(film.session_id, tmp_path / "out", frames=True),
    ):
        with pytest.raises(ScenescopeError, match="has hidden something"):
            export(log, request, lambda _: None, Cancel())
    assert not (tmp_path / "out").exists()


def test_a_film_that_is_gone(log: EventLog, tmp_path: Path):
    session_id = logged(log, make_table(3), tmp_path / "gone.mp4")
    request = ExportRequest(session_id, tmp_path / "out", ("coco",), images=True)
    with pytest.raises(ScenescopeError, match=r"gone\.mp4 is not there"):
        export(log, request, lambda _: None, Cancel())


def test_cancel_leaves_what_is_whole(log: EventLog, tmp_path: Path):
    session_id = logged(log, make_table(30))
    cancel = Cancel()

    def told(progress: Any) -> None:
        if "Parquet" in progress.text():
            cancel.cancel()

    request = ExportRequest(session_id, tmp_path / "out", ("csv", "parquet", "coco"))
    with pytest.raises(ExportCancelled):
        export(log, request, told, cancel)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["results.csv"]


# Comparison ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_compares_and_copies(make_metrics: Any, log: EventLog, qtbot: Any, tmp_path: Path):
    truth = make_table(30)
    logged(log, truth)
    FORMATS["mot"].write(truth, tmp_path / "truth")
    dialog = make_metrics(tmp_path / "truth")
    idle(dialog, qtbot)
    assert dialog.known.text().startswith("Recognised as MOT Challenge")
    dialog.compare.click()
    idle(dialog, qtbot)
    assert dialog.table.rowCount() == 1 + len(truth.class_names)
    first = [dialog.table.item(0, column).text() for column in range(len(HEADER))]
    assert first[:4] == ["all classes", "1.000", "1.000", "1.000"]
    assert "MOTA 1.000" in dialog.tracking.text()
    assert "30 frames were compared" in dialog.remarks.text()
    dialog.copy.click()
    copied = QApplication.clipboard().text().splitlines()
    assert copied[0] == ",".join(HEADER)
    assert copied[1] == ",".join(first)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "does not exist"), ("hello", "in no format that is known"), ('{"images":[', "JSON")]
)
def test_bad_ground_truths_are_said(
    make_metrics: Any, log: EventLog, qtbot: Any, tmp_path: Path, content: str | None, words: str
):
    logged(log, make_table(3))
    path = tmp_path / "truth.json"
    if content is not None:
        path.write_text(content)
    dialog = make_metrics(path)
    idle(dialog, qtbot)
    dialog.compare.click()
    idle(dialog, qtbot)
    assert words in dialog.notice.message.text()
    assert dialog.table.rowCount() == 0
    assert not dialog.copy.isEnabled()


def test_no_run_yet(make_metrics: Any):
    dialog = make_metrics()
    assert "no run to compare" in dialog.notice.message.text()
    assert not dialog.compare.isEnabled()


# Commands --------------------------------------------------------------------------------------------------------


def test_commands_open_one_dialog_of_each(qtbot: Any, log: EventLog):
    class Engine:
        class source_state:  # noqa: N801 - stands for an attribute
            info = None

    window = QWidget()
    qtbot.addWidget(window)
    commands = ExportCommands(Engine(), log, MemorySettings(), window)  # type: ignore[arg-type]
    commands.show_export()
    dialog = commands.export_dialog
    assert dialog is not None
    idle(dialog, qtbot)
    commands.show_report()
    assert commands.export_dialog is dialog
    assert dialog.report.isChecked()
    assert not any(box.isChecked() for box in dialog.formats.values())
    commands.show_metrics()
    assert commands.metrics_dialog is not None
    idle(commands.metrics_dialog, qtbot)
    commands.close()
    assert commands.export_dialog is None
    assert commands.metrics_dialog is None
