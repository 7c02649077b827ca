"""Two analyses of one film, frame by frame: what agrees, what does not, and where."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from scenescope.pipelines.analysis.compare import (
    ClassAgreement,
    Difference,
    DifferentRange,
    FrameObjects,
    compare,
)

pytestmark = pytest.mark.slow  # scipy and supervision

Objects = list[tuple[str, tuple[float, float, float, float]]]
A, B, FAR = (0, 0, 10, 10), (100, 0, 120, 20), (500, 500, 510, 510)
NEAR_A = (0, 0, 10, 8)  # overlaps A by 0.8
TOUCHES_A = (5, 0, 15, 10)  # by a third


def frame(number: int, objects: Objects) -> FrameObjects:
    boxes = np.array([box for _, box in objects], np.float32).reshape(-1, 4)
    return FrameObjects(number, number / 10, boxes, tuple(label for label, _ in objects))


CASES: list[tuple[Objects, Objects, int, tuple, tuple, tuple]] = [
    # first, second, agreed, missing, added, renamed
    ([], [], 0, (), (), ()),
    ([("car", A)], [("car", A)], 1, (), (), ()),
    ([("car", A)], [("car", NEAR_A)], 1, (), (), ()),
    ([("car", A)], [("car", TOUCHES_A)], 0, ("car",), ("car",), ()),
    ([("car", A)], [], 0, ("car",), (), ()),
    ([], [("car", A)], 0, (), ("car",), ()),
    ([("car", A)], [("truck", A)], 0, (), (), (("car", "truck"),)),
    ([("car", A), ("bus", B)], [("bus", B), ("car", A)], 2, (), (), ()),
    # Two boxes on one place: those of the same name belong together, though the others overlap more.
    ([("car", A), ("truck", NEAR_A)], [("truck", A), ("car", NEAR_A)], 2, (), (), ()),
    # One box can be taken once only.
    ([("car", A), ("car", NEAR_A)], [("car", A)], 1, ("car",), (), ()),
    # More objects of one name beat the best single overlap.
    ([("car", A), ("bus", B)], [("car", NEAR_A), ("bus", FAR), ("car", A)], 1, ("bus",), ("bus", "car"), ()),
]


@pytest.mark.parametrize(("first", "second", "agreed", "missing", "added", "renamed"), CASES)
def test_one_frame(first, second, agreed, missing, added, renamed) -> None:
    found = compare([frame(3, first)], [frame(3, second)])
    assert found.agreed == agreed
    assert found.objects == agreed + len(missing) + len(added) + len(renamed)
    different = bool(missing or added or renamed)
    assert found.differing == different
    assert found.frame_agreement == 1 - different
    expected = (Difference(3, 0.3, missing, added, renamed),) if different else ()
    assert found.differences == expected
    mirrored = compare([frame(3, second)], [frame(3, first)])
    assert mirrored.agreement == found.agreement


def test_classes_ranks_and_ranges() -> None:
    plain: Objects = [("car", A), ("person", B)]
    second = {
        2: [("car", A)],
        3: [("car", A), ("dog", B), ("cat", FAR)],
        4: plain,
        5: [],
        9: [("person", B)],
    }
    found = compare((frame(i, plain) for i in range(10)), (frame(i, second.get(i, plain)) for i in range(10)))
    assert found.frames == 10
    assert found.differing == 4
    assert found.classes == (
        ClassAgreement("car", 10, 8, 8),
        ClassAgreement("cat", 0, 1, 0),
        ClassAgreement("dog", 0, 1, 0),
        ClassAgreement("person", 10, 7, 7),
    )
    assert [one.frame for one in found.differences] == [3, 5, 2, 9], "most first, then the earlier one"
    assert found.ranges == (
        DifferentRange(2, 3, 0.2, 0.3, 3),
        DifferentRange(5, 5, 0.5, 0.5, 2),
        DifferentRange(9, 9, 0.9, 0.9, 1),
    )
    assert found.agreed == 15
    assert found.objects == 15 + 4 + 2
    assert found.classes[0].agreement == 0.8


@pytest.mark.parametrize(
    ("first", "second", "both", "only_first", "only_second"),
    [([], [], 0, 0, 0), ([1, 2, 3], [], 0, 3, 0), ([1, 2, 3], [2, 3, 4, 5], 2, 1, 2), ([5], [1], 0, 1, 1)],
)
def test_ranges_that_differ(first, second, both, only_first, only_second) -> None:
    car: Objects = [("car", A)]
    found = compare([frame(i, car) for i in first], [frame(i, car) for i in second])
    assert (found.frames, found.only_first, found.only_second) == (both, only_first, only_second)
    assert found.agreement == 1.0
    assert found.differences == ()


def test_frames_that_one_lacks_do_not_end_a_range() -> None:
    found = compare([frame(i, [("car", A)]) for i in (1, 2, 5)], [frame(i, []) for i in (1, 2, 3, 5)])
    assert found.ranges == (DifferentRange(1, 5, 0.1, 0.5, 3),)


def test_long_films_are_read_once_and_the_list_has_an_end() -> None:
    alive: list[int] = []

    def frames(label: str) -> Iterator[FrameObjects]:
        for i in range(100_000):
            alive.append(i)
            yield frame(i, [("car", A)] + ([(label, B)] if i % 10 == 0 else []))

    told: list[int] = []
    found = compare(frames("dog"), frames("cat"), most=50, on_frame=told.append)
    assert found.differing == 10_000
    assert len(found.differences) == 50
    assert len(found.ranges) == 10_000
    assert [one.frame for one in found.differences[:3]] == [0, 10, 20]
    assert told[-1] == 100_000
    assert told == sorted(told)


def test_cancelled() -> None:
    car = [frame(i, [("car", A)]) for i in range(1000)]
    assert compare(car, car, cancelled=lambda: True).frames == 100
