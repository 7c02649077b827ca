"""A small scene that is played before an observer, for tests of what is said about it."""

from __future__ import annotations

import numpy as np

from scenescope.models import Tracks
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.scene import SceneObserver
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.source import SourceInfo

__all__ = ["ACTORS", "KNOWN", "NAMES", "RATE_HZ", "Actor", "Play"]

_COCO = """person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign
parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase
frisbee skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle wine_glass
cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch potted_plant
bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave oven toaster sink refrigerator book clock
vase scissors teddy_bear hair_drier toothbrush"""
NAMES = tuple(_COCO.split())
"""The classes of COCO as a model file calls them."""
KNOWN = tuple(name.replace("_", " ") for name in NAMES)
"""The same as people read them."""
RATE_HZ = 10

Actor = tuple[int, str, tuple[int, int, int, int], int, int]
"""Number, label, box, first frame, frame after the last one. The picture is 300 x 300."""
ACTORS: tuple[Actor, ...] = (
    (1, "person", (10, 110, 90, 190), 0, 100),
    (2, "dog", (210, 210, 290, 290), 20, 40),
    (3, "person", (110, 110, 190, 190), 30, 100),
    (4, "car", (210, 10, 290, 90), 50, 100),
)


class Play:
    """Plays actors before an observer, ten pictures a second. What is on the right of the picture is red."""

    def __init__(self, *actors: Actor, live: bool = False, names: tuple[str, ...] = NAMES) -> None:
        self.actors, self.names = actors, names
        self.observer = SceneObserver()
        self.observer.open(SourceInfo("street.mp4", (300, 300), RATE_HZ, live=live))
        self.index = 0
        self.now_s = 0.0
        self.image = np.zeros((300, 300, 3), np.uint8)
        self.image[:, 200:] = (0, 0, 220)

    def play(self, frames: int, *, detecting: bool = True) -> SceneState:
        """Go on by so many frames; the scene then."""
        for _ in range(frames):
            self.now_s = self.index / RATE_HZ
            here = [actor for actor in self.actors if actor[3] <= self.index < actor[4]]
            frame = Frame(image=self.image, index=self.index, pts_s=self.now_s, captured_s=self.now_s)
            if detecting:
                frame = frame.with_result("track", self._tracks(here))
            self.observer.write(frame)
            self.index += 1
        return self.observer.state

    def _tracks(self, actors: list[Actor]) -> Tracks:
        return Tracks(
            xyxy=np.array([actor[2] for actor in actors], np.float32),
            confidence=np.full(len(actors), 0.9),
            class_id=np.array([self.names.index(actor[1]) for actor in actors], int),
            class_names=self.names,
            track_id=np.array([actor[0] for actor in actors], int),
        )
