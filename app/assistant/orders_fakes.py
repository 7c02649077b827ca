"""A film with a pipeline, zones, tracks and watches, for tests of orders."""

from __future__ import annotations

from scenescope.app.assistant.orders_names import OrderContext, kinds_of
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet

__all__ = ["KNOWN", "film_context"]

_NAMES = """person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign
parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase
frisbee skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle
wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch
potted_plant bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave oven toaster sink
refrigerator book clock vase scissors teddy_bear hair_drier toothbrush"""
KNOWN = tuple(name.replace("_", " ") for name in _NAMES.split())
_SQUARE = ((0.1, 0.1), (0.4, 0.1), (0.4, 0.4), (0.1, 0.4))


def film_context() -> OrderContext:
    """Two minutes of film: a detector, a tracker, edges that are off, and counting; zones A, B, Entrance; two lines."""
    zones = ZoneSet(
        zones=tuple(Zone(name=name, points=_SQUARE) for name in ("A", "B", "Entrance")),
        lines=(
            CountLine(name="door", start=(0.5, 0.1), end=(0.5, 0.9)),
            CountLine(name="Exit", start=(0.8, 0.1), end=(0.8, 0.9), forward="left", backward="right"),
        ),
    )
    stages = (
        StageSpec(id="detect", kind="detect"),
        StageSpec(id="track", kind="track"),
        StageSpec(id="edges", kind="canny", enabled=False),
        StageSpec(id="zones", kind="zones", params={"shapes": zones.model_dump(mode="json")}),
    )
    return OrderContext(
        spec=PipelineSpec(stages=stages),
        kinds=kinds_of(),
        zones=zones,
        known_labels=KNOWN,
        track_ids=(1, 2, 3),
        duration_s=120.0,
        watches=("Trucks at A", "Nobody there"),
    )
