"""The dialog of models: what it shows, asks and does; by mouse and by keys alone."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDialog, QLineEdit, QTableView, QTextBrowser

from scenescope.models.cards import load_card
from scenescope.models.catalogue import Catalogue, use
from scenescope.models.catalogue.download import Downloader
from scenescope.models.catalogue.fakes import FakeServer
from scenescope.models.catalogue.trust import is_trusted
from scenescope.pipelines import PipelineSpec
from scenescope.widgets.model_commands import ModelCommands
from scenescope.widgets.model_questions import AddressDialog, ConsentDialog, TrustDialog
from scenescope.widgets.models_dialog import ModelsDialog
from scenescope.widgets.models_table import Where

pytestmark = pytest.mark.slow

WEIGHTS = bytes(range(256)) * 8_000  # 2 MB
PATH = "/owner/net/resolve/abc123/model.safetensors"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as made:
        about = {"cardData": {"license": "apache-2.0"}, "pipeline_tag": "object-detection"}
        made.add_repository("owner/net", {"config.json": b"{}", "model.safetensors": WEIGHTS}, **about)
        yield made


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue(tmp_path / "models")
    put_back = use(made)
    yield made
    put_back()


@pytest.fixture
def dialog(catalogue: Catalogue, server: FakeServer, qtbot: Any) -> Iterator[ModelsDialog]:
    users = {"nanodet_g_416_coco": ["detect"], "mine": ["pose", "pose-2"]}
    made = ModelsDialog(Downloader(catalogue, server.url), lambda name: users.get(name, []))
    made.show()
    yield made
    made.close()
    made.deleteLater()


def idle(dialog: ModelsDialog, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: not dialog.background.busy, timeout=15_000)


def question(dialog: ModelsDialog, kind: type[QDialog], qtbot: Any) -> Any:
    qtbot.waitUntil(lambda: any(one.isVisible() for one in dialog.findChildren(kind)), timeout=15_000)
    return next(one for one in dialog.findChildren(kind) if one.isVisible())


def ask_for(dialog: ModelsDialog, text: str, qtbot: Any) -> ConsentDialog:
    dialog.address.click()
    address = question(dialog, AddressDialog, qtbot)
    address.line.setText(text)
    address.ask.click()
    return question(dialog, ConsentDialog, qtbot)


def add_pickle(catalogue: Catalogue, name: str = "mine", **more: Any) -> Path:
    path = catalogue.folder.parent / "best.pt"
    path.write_bytes(pickle.dumps({"a": Path("x")}))
    card = replace(load_card("nanodet_g_416_coco"), name=name, title="Mine", runtime="ultralytics", **more)
    return catalogue.add(path, card).path


def shown(dialog: ModelsDialog) -> list[str]:
    return [dialog.rows.index(row, 0).data() for row in range(dialog.rows.rowCount())]


# What is shown -----------------------------------------------------------------------------------------------------


def test_what_is_here_and_what_could_be_is_told_apart(dialog: ModelsDialog):
    assert {"nanodet_g_416_coco", "yolo11n", "detr-resnet-50"} <= set(shown(dialog))
    dialog.where.setCurrentText(Where.HERE)
    assert "yolo11n" not in shown(dialog)
    dialog.where.setCurrentText(Where.AVAILABLE)
    assert "nanodet_g_416_coco" not in shown(dialog)
    dialog.task.setCurrentIndex(dialog.task.findData("depth"))
    assert shown(dialog) == ["depth-anything-v2-small"]
    dialog.task.setCurrentIndex(0)
    dialog.search.setText("agpl YOLO26 pose")
    assert shown(dialog) == ["yolo26n-pose"]
    dialog.search.setText("no such thing")
    assert shown(dialog) == []
    assert not dialog.get.isEnabled()
    assert dialog.current is None


def test_the_details_tell_all_that_is_known(dialog: ModelsDialog):
    assert dialog.choose("nanodet_g_416_coco", here=True)
    text = dialog.details.toPlainText()
    for words in ("NanoDet-g 416", "Apache-2.0", "ffa922a922650cb3", "7.6 MB", "RangiLyu", "detect", "80"):
        assert words in text
    assert not dialog.delete.isEnabled(), "bundled ones stay"
    assert not dialog.get.isEnabled()
    assert dialog.choose("yolo11n")
    assert "AGPL-3.0" in dialog.details.toPlainText()
    assert dialog.get.isEnabled()


def test_columns_can_be_sorted_by_what_they_mean(dialog: ModelsDialog):
    dialog.where.setCurrentText(Where.AVAILABLE)
    dialog.view.sortByColumn(3, Qt.SortOrder.AscendingOrder)
    sizes = [dialog.rows.row_at(dialog.rows.index(row, 0)).size_bytes for row in range(dialog.rows.rowCount())]
    assert sizes == sorted(sizes)


def test_a_damaged_card_is_a_row_that_can_be_deleted(dialog: ModelsDialog, catalogue: Catalogue):
    (catalogue.folder / "broken").mkdir(parents=True)
    (catalogue.folder / "broken" / "card.toml").write_text("x =")
    dialog.refresh()
    assert dialog.choose("broken", here=True)
    assert "is damaged" in dialog.details.toPlainText()
    dialog.delete.click()
    assert "broken" not in shown(dialog)


def test_offline_is_said_and_nothing_can_be_downloaded(tmp_path: Path, server: FakeServer, qtbot: Any):
    dialog = ModelsDialog(Downloader(Catalogue(tmp_path, offline=True), server.url))
    dialog.show()
    assert "offline" in dialog.offline.message.text()
    assert dialog.offline.isVisible()
    dialog.choose("yolo11n")
    assert not dialog.get.isEnabled()
    assert not dialog.address.isEnabled()
    assert dialog.add.isEnabled(), "what the user has needs no connection"
    QTest.keyClick(dialog.view, Qt.Key.Key_Return)
    assert not dialog.background.busy
    assert server.requests == []
    dialog.close()
    dialog.deleteLater()


# Downloads ---------------------------------------------------------------------------------------------------------


def test_a_download_is_asked_about_and_then_comes(dialog: ModelsDialog, catalogue: Catalogue, qtbot: Any):
    consent = ask_for(dialog, "owner/net", qtbot)
    for fact in ("2.0 MB", "apache-2.0", "127.0.0.1"):
        assert fact in consent.accessibleDescription()
    assert not catalogue.folder.exists()
    with qtbot.waitSignal(dialog.changed, timeout=15_000):
        consent.yes.click()
    idle(dialog, qtbot)
    assert (catalogue.card("net").path / "model.safetensors").read_bytes() == WEIGHTS
    assert dialog.current.name == "net"
    assert dialog.current.state in ("Ready", "Library missing")
    assert "is here" in dialog.notice.message.text()


@pytest.mark.parametrize("how", ["button", "escape", "enter"])
def test_without_a_yes_nothing_comes(dialog, catalogue, server, qtbot, how):
    consent = ask_for(dialog, "owner/net", qtbot)
    if how == "button":
        consent.no.click()
    else:
        # The focus is on the no.
        QTest.keyClick(consent.focusWidget() or consent, Qt.Key.Key_Escape if how == "escape" else Qt.Key.Key_Return)
        if how == "enter":
            assert not dialog.background.busy
            consent.no.click()
    assert not dialog.background.busy
    assert {request.path for request in server.requests} == {"/api/models/owner/net"}
    assert not catalogue.folder.exists()


def test_a_download_can_be_cancelled_and_resumed(dialog, catalogue, server, qtbot):
    server.files[PATH].hold_after = 1_000_000
    ask_for(dialog, "owner/net", qtbot).yes.click()
    qtbot.waitUntil(lambda: dialog.background.bar.value() > 100, timeout=15_000)
    assert "of 2.0 MB" in dialog.background.words.text()
    assert not dialog.get.isEnabled()
    dialog.background.cancel.click()
    idle(dialog, qtbot)
    row = dialog.current
    assert row.name == "net"
    assert row.state.startswith("Interrupted at ")
    assert dialog.get.text().replace("&", "") == "Resume"
    assert "Resume goes on" in dialog.notice.hint.text()
    server.files[PATH].hold_after = None
    dialog.get.click()
    idle(dialog, qtbot)
    assert (catalogue.card("net").path / "model.safetensors").read_bytes() == WEIGHTS
    assert server.requests[-1].range.startswith("bytes=")
    assert "Interrupted" not in "".join(row.state for row in dialog._table.rows)


def test_what_was_interrupted_can_be_deleted(dialog: ModelsDialog, server: FakeServer, qtbot: Any):
    server.files[PATH].cut_after = 1_000_000
    ask_for(dialog, "owner/net", qtbot).yes.click()
    idle(dialog, qtbot)
    assert "ended early" in dialog.notice.message.text()
    assert dialog.current.interrupted is not None
    dialog.delete.click()
    assert "net" not in shown(dialog)


def test_closing_ends_the_download_and_leaves_no_thread(dialog, catalogue, server, qtbot):
    server.files[PATH].hold_after = 1_000_000
    ask_for(dialog, "owner/net", qtbot).yes.click()
    qtbot.waitUntil(lambda: dialog.background.bar.value() > 100, timeout=15_000)
    job = dialog.background.job
    dialog.close()
    assert job.done
    assert Downloader(catalogue, server.url).interrupted()[0].done_bytes > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [("owner/missing", "has no model called"), ("http://example.com/a.onnx", "not an encrypted address")],
)
def test_failures_are_sentences_with_a_cure(dialog: ModelsDialog, qtbot: Any, text: str, words: str):
    dialog.address.click()
    address = question(dialog, AddressDialog, qtbot)
    assert not address.ask.isEnabled()
    address.line.setText(text)
    address.ask.click()
    idle(dialog, qtbot)
    assert words in dialog.notice.message.text()
    assert dialog.notice.hint.text()


# Trust and delete --------------------------------------------------------------------------------------------------


def test_trust_shows_the_reason_and_needs_a_tick(dialog: ModelsDialog, catalogue: Catalogue, qtbot: Any):
    path = add_pickle(catalogue)
    dialog.refresh(("mine", True, False))
    assert dialog.current.state == "Not trusted yet"
    assert "It is a pickle" in dialog.details.toPlainText()
    dialog.trust.click()
    asked = question(dialog, TrustDialog, qtbot)
    assert "It is a pickle" in asked.accessibleDescription()
    assert not asked.yes.isEnabled()
    asked.known.click()
    with qtbot.waitSignal(dialog.changed, timeout=15_000):
        asked.yes.click()
    idle(dialog, qtbot)
    assert is_trusted(path)
    assert dialog.current.trusted
    with qtbot.waitSignal(dialog.changed, timeout=15_000):
        dialog.trust.click()
    assert not is_trusted(path)
    assert dialog.choose("nanodet_g_416_coco", here=True)
    idle(dialog, qtbot)
    assert not dialog.trust.isEnabled()


def test_deleting_can_be_undone_until_the_dialog_closes(dialog: ModelsDialog, catalogue: Catalogue, qtbot: Any):
    path = add_pickle(catalogue)
    dialog.refresh(("mine", True, False))
    for undone in (True, False):
        with qtbot.waitSignal(dialog.changed):
            dialog.delete.click()
        assert not path.exists()
        assert "used by pose, pose-2" in dialog.notice.hint.text()
        if undone:
            dialog.notice.button.click()
            assert path.exists()
            assert dialog.current.name == "mine"
    assert list((catalogue.folder / ".trash").rglob("best.pt"))
    dialog.close()
    assert not (catalogue.folder / ".trash").exists()


# Keys and screen readers -------------------------------------------------------------------------------------------


def test_keys_alone_are_enough(dialog: ModelsDialog, catalogue: Catalogue, server: FakeServer, qtbot: Any):
    dialog.activateWindow()
    dialog.search.setFocus()
    QTest.keyClicks(dialog.search, "yolo11n-seg")
    dialog.view.setFocus()
    # The entry's own address is elsewhere: here it is the fake server.
    dialog._table.rows = [
        replace(row, card=replace(row.card, url="hf://owner/net")) if row.name == "yolo11n-seg" else row
        for row in dialog._table.rows
    ]
    QTest.keyClick(dialog.view, Qt.Key.Key_Return)
    consent = question(dialog, ConsentDialog, qtbot)
    consent.yes.setFocus()
    QTest.keyClick(consent.yes, Qt.Key.Key_Space)
    idle(dialog, qtbot)
    assert catalogue.card("yolo11n-seg")
    QTest.keyClick(dialog.view, Qt.Key.Key_Delete)
    assert "yolo11n-seg" not in [card.name for card in catalogue.cards()]
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_everything_has_a_name_for_screen_readers(dialog: ModelsDialog):
    for kind in (QComboBox, QLineEdit, QTableView, QTextBrowser):
        for widget in dialog.findChildren(kind):
            assert widget.accessibleName(), widget
    for button in dialog.findChildren(QAbstractButton):
        if button.isVisible() and button.text():
            assert button.text().strip()
    index = dialog.rows.index(0, 1)
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "State: Ready"
    letters = [
        b.text()[b.text().index("&") + 1].lower() for b in dialog.findChildren(QAbstractButton) if "&" in b.text()
    ]
    assert len(letters) == len(set(letters))


# In the window -----------------------------------------------------------------------------------------------------


def test_the_window_opens_one_and_closes_it(make_window: Callable[..., Any], catalogue: Catalogue, qtbot: Any):
    window = make_window()
    window.actions_["window.models"].trigger()
    dialog = window.models.dialog
    assert isinstance(dialog, ModelsDialog)
    assert dialog.isVisible()
    assert not dialog.isModal(), "the picture goes on, and so can the user"
    window.actions_["window.models"].trigger()
    assert window.models.dialog is dialog
    window.close()
    assert not dialog.isVisible()
    assert window.models.dialog is None


def test_the_file_button_is_there_where_files_can_be_added(make_window, catalogue: Catalogue, qtbot: Any):
    window, asked = make_window(), []
    window.models.add_file = None
    window.models.show()
    assert not window.models.dialog.add.isVisible()
    window.models.close()
    window.models.add_file = lambda: asked.append("file")
    window.models.show()
    window.models.dialog.add.click()
    assert asked == ["file"]


def test_the_stages_that_use_a_model_are_known(catalogue: Catalogue, qtbot: Any):
    spec = PipelineSpec().added("detect", {"model": "mine"}).added("detect", {"model": "other"}).added("blur")
    parent = QDialog()
    assert ModelCommands(None, lambda: spec, parent).used_by("mine") == [spec.stages[0].id]
    parent.deleteLater()
