"""Reading text that the tests have written."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from scenescope.models import ModelMissing, RuntimeMissing, Texts
from scenescope.models.budget import ThreadBudget
from scenescope.models.vision import text as text_module
from scenescope.models.vision.placement import Placement
from scenescope.pipelines import Frame, StageContext
from scenescope.pipelines.stages.recognise.read_text import ReadText

pytestmark = pytest.mark.slow

pytest.importorskip("rapidocr")

SENTENCE = "The quick brown fox jumps over 13 lazy dogs."


@pytest.fixture(scope="module")
def reader():
    """One open stage for all, as it takes a second to open; it has no state."""
    stage = opened()
    yield stage
    stage.close()


def opened(**params) -> ReadText:
    stage = ReadText(ReadText.validated(params))
    stage.context = StageContext(stage_id="it", threads=ThreadBudget(1, 2))
    stage.open(stage.context)
    return stage


def written(*lines: tuple[str, int, int, int], size_wh=(760, 300), paper=245) -> np.ndarray:
    """A page with lines, each as text, left, baseline and height in pixels."""
    page = np.full((size_wh[1], size_wh[0], 3), paper, np.uint8)
    for text, x, y, height in lines:
        cv2.putText(page, text, (x, y), (20, 20, 20), cv2.FontFace("sans"), height)
    return page


def read(stage, page) -> Texts:
    found = stage.process(Frame(page)).result("it")
    assert isinstance(found, Texts)
    return found


def test_a_sentence_is_read_exactly_and_found_where_it_stands(reader):
    page = written((SENTENCE, 40, 120, 28))
    found = read(reader, page)
    assert found.text == (SENTENCE,)
    assert found.confidence[0] > 0.9
    ink = np.argwhere((page < 128).any(axis=2))[:, ::-1]
    left, top = found.quad_xy[0].min(axis=0)
    right, bottom = found.quad_xy[0].max(axis=0)
    assert np.abs(np.array([left, top]) - ink.min(axis=0)).max() < 12
    assert np.abs(np.array([right, bottom]) - ink.max(axis=0)).max() < 12
    assert cv2.contourArea(found.quad_xy[0], oriented=True) > 0, "clockwise"


def test_several_lines_come_from_top_to_bottom(reader):
    lines = ("Scenescope reads text.", "Zürich, Málaga, Besançon", "Total: 1,234.50 EUR")
    page = written(*((line, 30, 70 + 80 * row, 26) for row, line in enumerate(lines)))
    assert read(reader, page).text == lines


def test_white_on_a_photo(reader, photos):
    photo = cv2.resize(cv2.imread(str(photos / "coffee.png")), (900, 600))
    cv2.putText(photo, "Espresso to go", (60, 560), (255, 255, 255), cv2.FontFace("sans"), 40)
    assert "Espresso to go" in read(reader, photo).text


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_pages_are_read(reader, quarters):
    page = np.ascontiguousarray(np.rot90(written((SENTENCE, 40, 120, 28)), quarters))
    found = read(reader, page)
    assert found.text == (SENTENCE,)
    along = found.quad_xy[0, 1] - found.quad_xy[0, 0]
    assert np.degrees(np.arctan2(-along[1], along[0])) % 360 == pytest.approx(90 * quarters, abs=2)


def test_what_is_upside_down_may_be_left_out():
    stage = opened(upside_down=False)
    page = written((SENTENCE, 40, 120, 28))
    assert read(stage, page).text == (SENTENCE,)
    assert read(stage, np.ascontiguousarray(page[::-1, ::-1])).text != (SENTENCE,)
    stage.close()


def test_a_slanted_line_has_a_slanted_box(reader):
    page = written((SENTENCE, 40, 180, 28), size_wh=(760, 400))
    turn = cv2.getRotationMatrix2D((380, 200), 12, 1)
    found = read(reader, cv2.warpAffine(page, turn, (760, 400), borderValue=(245, 245, 245)))
    assert found.text == (SENTENCE,)
    along = found.quad_xy[0, 1] - found.quad_xy[0, 0]
    assert np.degrees(np.arctan2(along[1], along[0])) == pytest.approx(-12, abs=2)


def test_low_and_unsure_lines_are_left_out(reader):
    page = written(("Large print", 40, 80, 40), ("small print", 40, 200, 18))
    low = reader.with_params(ReadText.validated({"min_height_px": 32}))
    try:
        assert read(low, page).text == ("Large print",)
        none = reader.with_params(ReadText.validated({"confidence": 1.0}))
        assert len(read(none, page)) == 0
    finally:
        reader.with_params(ReadText.validated({}))
    assert read(reader, page).text == ("Large print", "small print")


def test_several_threads_read_at_once(reader):
    pages = [written((f"Page number {n}", 40, 120, 36)) for n in range(4)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda page: read(reader, page).text, pages))
    assert found == [(f"Page number {n}",) for n in range(4)]


def test_nothing_is_fetched(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    stage = opened()
    assert read(stage, written(("Offline", 40, 120, 40))).text == ("Offline",)
    assert stage.placement() == Placement("CPU", "auto")
    stage.close()
    assert stage.placement() is None


def test_it_reopens_only_for_what_is_loaded():
    stage = ReadText(ReadText.validated({}))
    assert not stage.needs_reopen(ReadText.validated({"confidence": 0.9}))
    assert stage.needs_reopen(ReadText.validated({"side_px": 640}))
    assert ReadText.info.lane == "side"


def test_a_missing_package_or_weights_are_named_with_a_cure(monkeypatch, tmp_path):
    with pytest.raises(RuntimeMissing) as caught:
        opened(device="directml", strict_device=True)
    assert caught.value.hint
    monkeypatch.setattr(text_module.Path, "is_file", lambda path: path.suffix != ".onnx")
    with pytest.raises(ModelMissing, match=r"carries no .*\.onnx") as caught:
        opened()
    assert "rapidocr" in caught.value.hint
    monkeypatch.setattr(text_module, "find_spec", lambda _: None)
    with pytest.raises(RuntimeMissing, match="RapidOCR") as caught:
        opened()
    assert "scenescope[ocr]" in caught.value.hint


@pytest.mark.parametrize("shape", [(1, 1), (900, 1), (2, 4000), (20, 4000), (3000, 12), (120, 160)])
def test_it_survives_any_picture(reader, shape):
    for picture in (np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8)):
        assert len(read(reader, picture)) == 0


@pytest.mark.slow
def test_it_survives_noise_and_a_huge_picture(reader):
    noise = np.random.default_rng(0).integers(0, 255, (27, 48, 3), np.uint8)
    for size in ((3840, 2160), (4000, 20), (12, 3000)):
        found = read(reader, cv2.resize(noise, size))
        assert (found.quad_xy >= 0).all()
        assert (found.quad_xy <= size).all()
