"""Taking hold of zones and lines, without a window."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from scenescope.pipelines.zones.model import ZoneSet
from scenescope.widgets.shape_edit import (
    GROUND,
    Grip,
    Part,
    changed,
    free_name,
    grip_at,
    grips_of,
    moved,
    names_of,
    outline,
    with_corner,
    without,
    without_corner,
)
from scenescope.widgets.zones_editor import with_drawn

PIXEL = (1 / 1000, 1 / 500)
SQUARE = [(0.2, 0.2), (0.4, 0.2), (0.4, 0.4), (0.2, 0.4)]
ZONES = ZoneSet.model_validate(
    {
        "zones": [{"name": "A", "points": SQUARE}, {"name": "B", "points": [(0.3, 0.3), (0.6, 0.3), (0.6, 0.6)]}],
        "lines": [{"name": "L", "start": (0.1, 0.8), "end": (0.9, 0.8)}],
        "ground": {
            "points": [(0.7, 0.1), (0.9, 0.1), (0.95, 0.5), (0.65, 0.5)],
            "width_m": 3,
            "length_m": 8,
        },
    }
)


@pytest.mark.parametrize(
    ("at", "first", "grip"),
    [
        ((0.2, 0.2), "", Grip("A", Part.CORNER, 0)),
        ((0.209, 0.2), "", Grip("A", Part.CORNER, 0)),
        ((0.211, 0.2), "", Grip("A", Part.EDGE, 0)),
        ((0.25, 0.219), "", Grip("A", Part.EDGE, 0)),
        ((0.2, 0.25), "", Grip("A", Part.EDGE, 3)),
        ((0.25, 0.26), "", Grip("A", Part.BODY)),
        ((0.38, 0.35), "", Grip("B", Part.BODY)),
        ((0.38, 0.35), "A", Grip("A", Part.BODY)),
        ((0.1, 0.8), "", Grip("L", Part.CORNER, 0)),
        ((0.5, 0.81), "", Grip("L", Part.BODY)),
        ((0.5, 0.9), "", None),
        ((0.8, 0.3), "", Grip(GROUND, Part.BODY)),
        ((0.99, 0.99), "", None),
    ],
)
def test_what_is_under_the_mouse(at, first, grip):
    assert grip_at(ZONES, at, PIXEL, first) == grip


@pytest.mark.parametrize(
    ("grip", "by", "points"),
    [
        (Grip("A", Part.CORNER, 0), (0.1, -0.1), [(0.3, 0.1), *SQUARE[1:]]),
        (Grip("A", Part.CORNER, 0), (-0.5, -0.5), [(0.0, 0.0), *SQUARE[1:]]),
        (Grip("A", Part.EDGE, 3), (0.1, 0.0), [(0.3, 0.2), (0.4, 0.2), (0.4, 0.4), (0.3, 0.4)]),
        (Grip("A", Part.BODY), (0.9, 0.0), [(0.8, 0.2), (1.0, 0.2), (1.0, 0.4), (0.8, 0.4)]),
        (Grip("L", Part.CORNER, 1), (0.0, -0.8), [(0.1, 0.8), (0.9, 0.0)]),
        (Grip("L", Part.CORNER, 1), (-0.8, 0.0), [(0.1, 0.8), (0.9, 0.8)]),
        (Grip(GROUND, Part.CORNER, 2), (0.0, 0.1), [(0.7, 0.1), (0.9, 0.1), (0.95, 0.6), (0.65, 0.5)]),
        (Grip("gone", Part.BODY), (0.1, 0.1), []),
    ],
)
def test_what_is_held_is_moved_and_nothing_else(grip, by, points):
    after = moved(ZONES, grip, by)
    assert [pytest.approx(point) for point in points] == list(outline(after, grip.shape))
    for name in names_of(ZONES):
        if name != grip.shape:
            assert outline(after, name) == outline(ZONES, name)
    assert ZoneSet.model_validate(after.model_dump()) == after


def test_corners_are_added_on_edges_and_removed_down_to_three():
    more, corner = with_corner(ZONES, Grip("B", Part.EDGE, 2), (0.4, 0.45))
    assert outline(more, "B") == ((0.3, 0.3), (0.6, 0.3), (0.6, 0.6), (0.4, 0.45))
    assert corner == Grip("B", Part.CORNER, 3)
    assert outline(without_corner(more, corner), "B") == outline(ZONES, "B")
    assert without_corner(ZONES, Grip("B", Part.CORNER, 0)) == ZONES
    assert with_corner(ZONES, Grip("L", Part.EDGE), (0.5, 0.8))[0] == ZONES


def test_shapes_are_removed_and_renamed():
    assert without(ZONES, "A").names == ("B", "L")
    assert without(ZONES, GROUND).ground is None
    assert changed(ZONES, "L", name="Gate", forward="east").lines[0].forward == "east"
    assert changed(ZONES, "A", dwell_s=4.0).zones[0].dwell_s == 4.0
    with pytest.raises(ValidationError, match="two zones or lines are called 'B'"):
        changed(ZONES, "A", name="B")


def test_the_keyboard_goes_through_every_corner():
    assert grips_of(ZONES, "L") == [Grip("L", Part.CORNER, 0), Grip("L", Part.CORNER, 1), Grip("L", Part.BODY)]
    assert list(names_of(ZONES)) == [GROUND, "L", "B", "A"]


def test_what_is_drawn_gets_a_free_name():
    zones, name = with_drawn(ZoneSet(), "zone", SQUARE)
    assert name == "Zone 1"
    zones, name = with_drawn(zones, "zone", SQUARE)
    assert (name, zones.names) == ("Zone 2", ("Zone 1", "Zone 2"))
    zones, name = with_drawn(zones, "line", SQUARE[:2])
    assert (name, zones.lines[0].end) == ("Line 1", (0.4, 0.2))
    assert free_name(zones, "Line") == "Line 2"
    assert with_drawn(zones, "ground", SQUARE)[0].ground.width_m == 5
    with pytest.raises(ValidationError):
        with_drawn(zones, "ground", SQUARE[:3])
