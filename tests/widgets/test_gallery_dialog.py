"""Enrolling, renaming and deleting people, with mouse and keys, on a real picture with the real networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit

from scenescope.models.vision.face_gallery import FaceGallery, FaceReader, Sample
from scenescope.widgets.gallery_dialog import GalleryDialog


def sample(seed: int) -> Sample:
    return Sample("n", np.random.default_rng(seed).normal(size=4).astype(np.float32))


@pytest.fixture
def gallery(tmp_path: Any) -> FaceGallery:
    made = FaceGallery(tmp_path / "faces.json")
    made.add("Ann", sample(1))
    made.add("Bob", sample(2), sample(3))
    return made


@pytest.fixture
def astronaut(photos: Any) -> np.ndarray:
    return cv2.imread(str(photos / "astronaut.png"))


@pytest.fixture
def make(qtbot: Any) -> Iterator[Any]:
    made: list[GalleryDialog] = []

    def build(gallery: FaceGallery, picture: Any = None, **more: Any) -> GalleryDialog:
        dialog = GalleryDialog(gallery, lambda: picture, **more)
        made.append(dialog)
        with qtbot.waitActive(dialog):
            dialog.show()
            dialog.activateWindow()
        return dialog

    yield build
    for dialog in made:
        dialog.close()
        dialog.deleteLater()


def names(dialog: GalleryDialog) -> list[str]:
    return [dialog.table.item(row, 0).text() for row in range(dialog.table.rowCount())]


def test_it_lists_people_and_how_many_samples_each_has(make: Any, gallery: FaceGallery) -> None:
    dialog = make(gallery)
    assert names(dialog) == ["Ann", "Bob"]
    assert dialog.table.item(1, 1).text() == "2"
    assert not dialog.nobody.isVisible()
    assert make(FaceGallery()).nobody.isVisible()


def test_enrolling_needs_a_face_a_name_and_consent(make: Any, astronaut: np.ndarray, qtbot: Any, tmp_path: Any) -> None:
    described = []

    class Watched(FaceReader):
        def sample(self, image: Any, face: Any) -> Sample:
            described.append(len(face))
            return super().sample(image, face)

    gallery = FaceGallery(tmp_path / "faces.json")
    # Two faces, so the user must say which.
    picture = np.hstack([astronaut[:256, 96:352], astronaut[:256, 96:352][:, ::-1]])
    dialog = make(gallery, picture, reader=Watched())
    QTest.keyClick(dialog.look_button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: dialog.faces.count() == 2, timeout=10_000)
    assert not dialog.enrol_button.isEnabled()
    dialog.name.setText("  Eileen  Collins ")
    dialog.consent.setChecked(True)
    assert not dialog.enrol_button.isEnabled(), "no face is chosen"
    dialog.faces.setCurrentRow(1)
    assert not dialog.consent.isChecked(), "another face is another person"
    assert not dialog.enrol_button.isEnabled(), "no consent"
    QTest.keyClick(dialog.name, Qt.Key.Key_Return)
    assert described == []
    QTest.keyClick(dialog.consent, Qt.Key.Key_Space)
    QTest.keyClick(dialog.name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: names(dialog) == ["Eileen Collins"], timeout=10_000)
    assert described == [1], "one face was described, the chosen one"
    (kept,) = gallery.people()["Eileen Collins"]
    assert np.linalg.norm(kept.vector) == pytest.approx(1, abs=1e-5)
    assert dialog.banner.message.text() == "Eileen Collins is enrolled with 1 sample."
    assert not dialog.consent.isChecked(), "the next person is asked again"
    assert dialog.faces.count() == 0


@pytest.mark.parametrize(
    ("picture", "sentence"), [(None, "There is no picture."), (np.zeros((80, 80, 3), np.uint8), "No face was found.")]
)
def test_without_a_face_it_says_what_to_do(make: Any, qtbot: Any, picture: Any, sentence: str) -> None:
    dialog = make(FaceGallery(), picture)
    QTest.mouseClick(dialog.look_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.banner.isVisible(), timeout=10_000)
    assert dialog.banner.message.text() == sentence
    assert dialog.banner.hint.text()


def test_people_are_deleted_with_a_key_and_brought_back_until_it_closes(make: Any, gallery: FaceGallery) -> None:
    dialog = make(gallery)
    dialog.table.setFocus()
    dialog.table.selectRow(0)
    QTest.keyClick(dialog.table, Qt.Key.Key_Delete)
    assert names(dialog) == ["Bob"]
    assert b"Ann" not in gallery.path.read_bytes(), "it is gone from the file at once"
    QTest.keyClick(dialog.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert names(dialog) == ["Ann", "Bob"]
    assert np.array_equal(gallery.people()["Ann"][0].vector, sample(1).vector)
    assert not dialog.undo_button.isEnabled()
    QTest.mouseClick(dialog.clear_button, Qt.MouseButton.LeftButton)
    assert names(dialog) == []
    assert not gallery.path.exists()
    QTest.mouseClick(dialog.undo_button, Qt.MouseButton.LeftButton)
    assert [len(samples) for samples in gallery.people().values()] == [1, 2]
    QTest.mouseClick(dialog.clear_button, Qt.MouseButton.LeftButton)
    dialog.close()
    dialog._undo()
    assert gallery.people() == {}, "closed, it cannot be undone"


def rename(dialog: GalleryDialog, row: int, text: str) -> None:
    dialog.table.setFocus()
    dialog.table.setCurrentCell(row, 0)
    QTest.keyClick(dialog.table, Qt.Key.Key_F2)
    editor = dialog.table.findChild(QLineEdit)
    editor.setText(text)
    QTest.keyClick(editor, Qt.Key.Key_Return)


def test_people_are_renamed_in_place(make: Any, gallery: FaceGallery, qtbot: Any) -> None:
    dialog = make(gallery)
    rename(dialog, 0, "  Zoe ")
    qtbot.waitUntil(lambda: names(dialog) == ["Bob", "Zoe"])
    assert list(gallery.people()) == ["Bob", "Zoe"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("Bob", "Bob is enrolled already."), ("Unknown", "'Unknown' cannot be the name of a person.")],
)
def test_a_name_that_cannot_be_is_explained(
    make: Any, gallery: FaceGallery, qtbot: Any, text: str, sentence: str
) -> None:
    dialog = make(gallery)
    rename(dialog, 0, text)
    qtbot.waitUntil(lambda: dialog.banner.message.text() == sentence)
    qtbot.waitUntil(lambda: names(dialog) == ["Ann", "Bob"])
    assert list(gallery.people()) == ["Ann", "Bob"]


def test_a_damaged_file_is_explained(make: Any, gallery: FaceGallery) -> None:
    gallery.path.write_text("broken")
    dialog = make(gallery)
    assert "is damaged and was set aside" in dialog.banner.message.text()
    assert names(dialog) == []


def test_closing_while_it_works_leaves_nothing_behind(make: Any, astronaut: np.ndarray) -> None:
    dialog = make(FaceGallery(), astronaut)
    dialog.look()
    dialog.close()
    assert dialog.faces.count() == 0
