"""A frame is never changed, only replaced, and knows where its pixels came from."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from scenescope.models import Detections, Labels, StageContractError, Tracks
from scenescope.pipelines import Frame


def grey(width: int = 40, height: int = 30) -> np.ndarray:
    return np.full((height, width, 3), 7, np.uint8)


def box(*xyxy: float) -> Detections:
    return Detections(xyxy=np.array([xyxy]), confidence=np.array([1.0]), class_id=np.array([0]))


def test_the_picture_cannot_be_written_to():
    frame = Frame(grey())
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0, 0] = 1
    assert frame.size_wh == frame.source_size_wh == (40, 30)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((3, 4, 3), np.float32), "float32 (3, 4, 3)"),
        (np.zeros((3, 4, 4), np.uint8), "uint8 (3, 4, 4)"),
        (np.zeros((0, 4, 3), np.uint8), "uint8 (0, 4, 3)"),
        ("picture", "str"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(image, said):
    with pytest.raises(StageContractError) as caught:
        Frame(image)
    assert caught.value.user_message == said
    with pytest.raises(StageContractError) as caught:
        Frame(grey()).with_image(image)
    assert caught.value.user_message == said


def test_a_grey_picture_becomes_bgr():
    frame = Frame(grey()).with_image(np.full((30, 40), 9, np.uint8))
    assert frame.image.shape == (30, 40, 3)
    assert (frame.image == 9).all()
    assert frame.edited


def test_a_new_frame_leaves_the_old_one_as_it_was():
    first = Frame(grey(), index=5)
    second = first.with_result("a", box(1, 2, 3, 4))
    third = second.with_image(grey())
    assert dict(first.results) == {}
    assert list(second.results) == ["a"]
    assert (second.edited, third.edited) == (False, True)
    assert third.index == 5
    with pytest.raises(TypeError):
        second.results["b"] = None  # type: ignore[index]


def test_a_size_may_change_only_with_a_map():
    with pytest.raises(StageContractError, match="10x30 for one of 40x30"):
        Frame(grey()).with_image(grey(10, 30))


def test_results_are_seen_in_the_pixels_of_the_picture_at_hand():
    frame = Frame(grey(40, 30)).with_result("before", box(10, 10, 20, 20))
    half = frame.with_image(grey(20, 15), to_previous=np.diag([2.0, 2.0, 1.0]))
    crop = half.with_image(grey(10, 10), to_previous=np.array([[1.0, 0, 5], [0, 1, 5], [0, 0, 1]]))
    crop = crop.with_result("after", box(0, 0, 5, 5))
    assert half.result("before").xyxy.tolist() == [[5, 5, 10, 10]]
    assert crop.result("before").xyxy.tolist() == [[0, 0, 5, 5]]
    in_source = {name: entry.value.xyxy.tolist() for name, entry in crop.in_source_pixels()}
    assert in_source == {"before": [[10, 10, 20, 20]], "after": [[10, 10, 20, 20]]}
    assert crop.source_size_wh == (40, 30)


def test_latest_finds_the_last_of_a_kind():
    frame = Frame(grey()).with_result("d", box(0, 0, 1, 1)).with_result("l", Labels())
    assert frame.latest(Detections)[0] == "d"
    assert frame.latest(Tracks) is None
    assert frame.result("nothing") is None


def test_what_is_derived_from_a_picture_is_made_once_and_shared_until_the_picture_changes():
    frame = Frame(grey())
    made = []

    def make() -> int:
        made.append(1)
        return len(made)

    relatives = [frame, frame.with_result("a", Labels())]
    threads = [threading.Thread(target=relative.derived, args=("grey", make)) for relative in relatives * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert frame.with_image(grey()).derived("grey", make) == 2
