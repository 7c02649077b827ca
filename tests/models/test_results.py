"""Result types: indexing, labels, and the way from one picture's pixels to another's."""

from __future__ import annotations

import numpy as np
import pytest

from scenescope.models import Detections, Keypoints, Labels, Masks, Texts, Tracks

SCALE_AND_SHIFT = np.array([[2.0, 0, 10], [0, 4, -5], [0, 0, 1]])


def detections() -> Detections:
    return Detections(
        xyxy=np.array([[0, 0, 10, 10], [5, 5, 20, 25], [1, 2, 3, 4]]),
        confidence=np.array([0.9, 0.5, 0.2]),
        class_id=np.array([0, 1, 7]),
        class_names=("person", "cup"),
    )


def masks() -> Masks:
    full = np.zeros((2, 40, 60), np.uint8)
    full[0, 10:20, 5:25] = 255
    full[1, 0:40, 59] = 255
    return Masks.from_full(full, confidence=np.array([1, 0.5]), class_id=np.array([0, 1]), class_names=("a", "b"))


EXAMPLES = {
    "detections": detections,
    "tracks": lambda: Tracks(
        **{f: getattr(detections(), f) for f in ("xyxy", "confidence", "class_id", "class_names")},
        track_id=np.array([4, -1, 9]),
        trail=tuple(np.full((n, 2), n, np.float32) for n in (1, 2, 3)),
    ),
    "masks": masks,
    "keypoints": lambda: Keypoints(xy=np.arange(24).reshape(3, 4, 2), confidence=np.ones((3, 4))),
    "labels": lambda: Labels(confidence=np.array([0.7, 0.2]), class_id=np.array([1, 0]), class_names=("x", "y")),
    "texts": lambda: Texts(quad_xy=np.zeros((2, 4, 2)), text=("one", "two"), confidence=np.array([1, 1])),
}


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize(
    "index",
    [slice(0, 1), [True, False, True], np.array([1, 0]), 0, []],
    ids=["slice", "mask", "array", "one", "none"],
)
def test_indexing_picks_whole_rows_and_keeps_the_type(kind, index):
    value = EXAMPLES[kind]()
    if isinstance(index, list) and index:
        index = index[: len(value)]
    chosen = value[np.array(index, dtype=bool if index else int) if isinstance(index, list) else index]
    expected = np.atleast_1d(
        np.arange(len(value))[np.array(index, int) if isinstance(index, list) and not index else index]
    )
    assert type(chosen) is type(value)
    assert len(chosen) == len(expected)
    for name in value._per_object_names():
        assert len(getattr(chosen, name)) == len(expected)
        for got, row in zip(getattr(chosen, name), expected, strict=True):
            assert np.array_equal(got, getattr(value, name)[row])


@pytest.mark.parametrize("kind", EXAMPLES)
def test_arrays_cannot_be_changed(kind):
    value = EXAMPLES[kind]()
    for name in value._per_object_names():
        column = getattr(value, name)
        if isinstance(column, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                column[...] = 0


def test_an_empty_result_has_the_right_shapes():
    assert Detections().xyxy.shape == (0, 4)
    assert Tracks().track_id.shape == (0,)
    assert len(Masks()) == len(Keypoints()) == len(Labels()) == len(Texts()) == 0
    assert Detections().warped(SCALE_AND_SHIFT).xyxy.shape == (0, 4)


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="columns differ in length"):
        Detections(xyxy=np.zeros((2, 4)), confidence=np.zeros(1), class_id=np.zeros(2))


def test_labels_name_what_has_a_name_and_number_the_rest():
    assert detections().labels == ["person", "cup", "7"]


def test_boxes_are_mapped_by_scale_and_shift_exactly():
    mapped = detections().warped(SCALE_AND_SHIFT)
    assert mapped.xyxy.tolist()[1] == [20, 15, 50, 95]
    assert mapped.size_wh.tolist()[1] == [30, 80]
    assert mapped.center_xy.tolist()[1] == [35, 55]


def test_a_rotated_box_becomes_the_hull_of_its_corners():
    quarter = np.array([[0.0, -1, 100], [1, 0, 0], [0, 0, 1]])
    assert detections().warped(quarter).xyxy.tolist()[1] == [75, 5, 95, 20]


def test_masks_follow_their_pixels():
    mapped = masks().warped(np.array([[2.0, 0, 4], [0, 2, 6], [0, 0, 1]]))
    x, y = mapped.top_left_xy.tolist()[0]
    inside = np.argwhere(mapped.alpha[0] > 127)
    assert (inside.min(axis=0) + [y, x]).tolist() == [26, 14]
    assert (inside.max(axis=0) + [y, x] + 1).tolist() == [46, 54]
    assert mapped.size_wh == (124, 86)


def test_supervision_gets_the_same_boxes():
    tracks = EXAMPLES["tracks"]()
    other = tracks.to_supervision()
    assert other.xyxy.tolist() == tracks.xyxy.tolist()
    assert other.tracker_id.tolist() == [4, -1, 9]
    assert other.data["class_name"].tolist() == ["person", "cup", "7"]
