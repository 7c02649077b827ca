"""Pictures that leave show no faces: the real face network on real faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.app.assistant.outgoing import FaceFinder
from scenescope.app.assistant.outgoing_fakes import FAR, HERE, HOST, Desk, picture, pixels
from scenescope.models import AssistantError
from scenescope.models.language import Picture


@pytest.fixture(scope="module")
def finder():
    finder = FaceFinder()
    yield finder
    finder.close()


def left_of_it(before: np.ndarray, after: np.ndarray) -> float:
    """How much of the fine detail is still there, 0 to 1."""
    fine = [part - cv2.GaussianBlur(part, (0, 0), 3) for part in (before.astype(np.float64), after.astype(np.float64))]
    return float((fine[0] * fine[1]).sum() / (fine[0] ** 2).sum())


FACES = {
    "astronaut.png": [(179, 81, 272, 174)],
    "zidane.jpg": [(363, 56, 420, 113), (213, 113, 265, 165)],
    "bus.jpg": [(51, 200, 73, 222), (121, 200, 147, 226)],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FACES)
def test_faces_are_no_faces_any_more(tmp_path: Path, photos: Path, bus: Path, finder: FaceFinder, name) -> None:
    path = photos / name if (photos / name).exists() else bus.with_name(name)
    image = cv2.imread(str(path))
    boxes: list[np.ndarray] = []

    def find(picture: np.ndarray) -> np.ndarray:
        boxes.append(finder(picture))
        return boxes[-1]

    desk = Desk(tmp_path, faces=find)
    desk.outgoing.agree(HOST, FAR)
    photo = Picture(cv2.imencode(".jpg", image)[1].tobytes(), 0, 0.0, image.shape[1::-1])
    before = pixels(desk.outgoing.prepare([photo], "localhost", HERE)[0])
    sent = pixels(desk.outgoing.prepare([photo], HOST, FAR)[0])
    (found,) = boxes
    assert np.abs(sent.astype(int) - before).max() > 50
    for face in np.array(FACES[name], float):
        assert any(overlap(box, face) for box in found)
        x1, y1, x2, y2 = face.astype(int).tolist()
        assert left_of_it(before[y1:y2, x1:x2], sent[y1:y2, x1:x2]) < 0.1
    # What is far from all that is taken for a face is as it was.
    far = np.ones(sent.shape[:2], bool)
    for x1, y1, x2, y2 in found.tolist():
        more = (x2 - x1) * 0.5
        far[max(int(y1 - more), 0) : int(y2 + more), max(int(x1 - more), 0) : int(x2 + more)] = False
    assert far.mean() > 0.2
    assert np.abs(sent.astype(int) - before)[far].mean() < 2


@pytest.mark.slow
def test_a_face_is_recognised_no_more(tmp_path: Path, photos: Path, finder: FaceFinder) -> None:
    from scenescope.models.cards import load_card
    from scenescope.models.vision.base import open_model
    from scenescope.models.vision.face_gallery import describe
    from scenescope.models.vision.faces import find_faces

    names = ("blazeface_short_range_128", "face_embedding_faceres_224")
    face, recognise = (open_model(load_card(name)) for name in names)
    face.load()
    recognise.load()
    image = cv2.imread(str(photos / "astronaut.png"))
    desk = Desk(tmp_path, faces=finder)
    desk.outgoing.agree(HOST, FAR)
    photo = Picture(cv2.imencode(".png", image)[1].tobytes(), 0, 0.0, (512, 512))
    sent = pixels(desk.outgoing.prepare([photo], HOST, FAR)[0])
    found = find_faces(face, image, 0.5, clip=False)
    before, after = (describe(recognise, one, found)[0] for one in (image, sent))
    # Two strangers are up to 0.46 alike.
    assert before @ after < 0.3


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return bool(shared > 0.3 * min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod()))


@pytest.mark.slow
def test_the_network_that_is_not_there_keeps_pictures_here(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("scenescope.app.assistant.outgoing.FACE_NETWORK", "not-there")
    desk = Desk(tmp_path, faces=FaceFinder())
    desk.outgoing.agree(HOST, FAR)
    with pytest.raises(AssistantError, match="Faces cannot be looked for"):
        desk.outgoing.prepare([picture()], HOST, FAR)
