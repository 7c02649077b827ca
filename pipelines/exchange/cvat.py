"""CVAT for video 1.1: one XML file with a track for every object (docs.cvat.ai, XML annotation format).

Frames are counted as in the video. A track ends, and is interrupted, by a box with ``outside="1"``. Objects without a
track become tracks of one frame, whose numbers begin at ``untracked_from``; a track whose class changes becomes one
for each class, with the same number. Confidences are an attribute of the box; times are in ``meta/scenescope``.
"CVAT for images" is read too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.exchange import xml
from scenescope.pipelines.exchange.files import Told, broken, new_folder, picture_stems, place_pictures, told_every
from scenescope.pipelines.exchange.gather import Gathered, reading
from scenescope.pipelines.exchange.mot import numbered_tracks
from scenescope.pipelines.exchange.table import BoxTable

__all__ = ["ANNOTATIONS_FILE", "read_cvat", "write_cvat"]

ANNOTATIONS_FILE = "annotations.xml"
MOST_FRAMES = 20_000_000
LONGEST_GAP = 1_000_000


def write_cvat(table: BoxTable, path: Path, images: Mapping[int, Path] | None, told: Told) -> None:
    """``annotations.xml`` and, with pictures, ``images``."""
    ids, untracked_from = numbered_tracks(table)
    with new_folder(path, (ANNOTATIONS_FILE, "images")) as folder:
        place_pictures(images, picture_stems(table), folder / "images")
        with (folder / ANNOTATIONS_FILE).open("w", encoding="utf-8", newline="") as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
            _write_meta(table, untracked_from, file)
            for piece in _tracks(table, ids, told):
                file.write(piece)
            file.write("</annotations>\n")


def _write_meta(table: BoxTable, untracked_from: int, file: IO[str]) -> None:
    frames = table.frame_index.tolist()
    source, (width, height) = xml.text(table.source), table.size_wh
    labels = "".join(
        f"<label><name>{xml.text(name)}</name><attributes><attribute><name>confidence</name><mutable>True</mutable>"
        "<input_type>text</input_type><default_value></default_value><values></values></attribute></attributes>"
        "</label>\n"
        for name in table.class_names
    )
    file.write(
        f"<meta><task><name>{source}</name><size>{frames[-1] + 1 if frames else 0}</size><mode>interpolation</mode>"
        f"<start_frame>0</start_frame><stop_frame>{frames[-1] if frames else 0}</stop_frame><frame_filter/>"
        f"<labels>\n{labels}</labels><original_size><width>{width}</width><height>{height}</height></original_size>"
        f"<source>{source}</source></task>\n"
        f'<scenescope rate_hz="{table.rate_hz!r}" untracked_from="{untracked_from}">\n'
    )
    names = table.frame_name or [""] * len(frames)
    rows = zip(frames, table.frame_pts_s.tolist(), names, table.sizes_wh.tolist(), strict=True)
    file.writelines(
        f'<time frame="{frame}" pts_s="{pts_s!r}"'
        + (f' name={xml.attribute(name)} width="{size[0]}" height="{size[1]}"' if name else "")
        + "/>\n"
        for frame, pts_s, name, size in rows
    )
    file.write("</scenescope></meta>\n")


def _tracks(table: BoxTable, ids: NDArray[np.int64], told: Told) -> Iterator[str]:
    """The XML of every track, by number and class."""
    order = np.lexsort((table.row_frame, table.class_id, ids))
    changes = np.flatnonzero(np.diff(ids[order]) | np.diff(table.class_id[order])) + 1
    starts = [0, *changes.tolist(), len(order)] if len(order) else [0]
    last = int(table.frame_index[-1]) if len(table.frame_index) else 0
    frame_of_row = table.frame_index[table.row_frame]
    for at in told_every(range(len(starts) - 1), len(starts), told):
        rows = order[starts[at] : starts[at + 1]]
        label = xml.attribute(table.class_names[int(table.class_id[rows[0]])])
        frames = frame_of_row[rows]
        gone = np.append(np.diff(frames) > 1, frames[-1] < last)
        boxes = []
        for frame, (x1, y1, x2, y2), confidence, ends in zip(
            frames.tolist(), np.round(table.xyxy[rows], 3).tolist(), table.confidence[rows].tolist(), gone.tolist(),
            strict=True,
        ):  # fmt: skip
            place = f'occluded="0" keyframe="1" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}" z_order="0"'
            said = f'<attribute name="confidence">{round(confidence, 6)}</attribute></box>\n'
            boxes.append(f'<box frame="{frame}" outside="0" {place}>{said}')
            if ends:
                boxes.append(f'<box frame="{frame + 1}" outside="1" {place}>{said}')
        yield f'<track id="{int(ids[rows[0]])}" label={label} source="auto">\n{"".join(boxes)}</track>\n'


# Reading ---------------------------------------------------------------------------------------------------------


def read_cvat(path: Path, rate_hz: float) -> BoxTable:
    """A file of "CVAT for video" or "CVAT for images", or the folder that it lies in.

    Between two boxes of a track that are not on neighbouring frames the box moves evenly, as in CVAT.

    Raises:
        SourceError: it is damaged, or other XML.
    """
    file = path / ANNOTATIONS_FILE if path.is_dir() else path
    with reading(path):
        return _Reader(file).read(rate_hz)


class _Reader:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.gathered = Gathered(file)
        self.labels: list[str] = []
        self.times: dict[int, tuple[float, str, tuple[int, int]]] = {}
        self.source = ""
        self.size_wh = (0, 0)
        self.rate_hz = 0.0
        self.range: tuple[int, int] | None = None
        self.untracked_from = 2**62
        self.other_shapes = 0

    def read(self, rate_hz: float) -> BoxTable:
        depth, root = 0, None
        for event, element in xml.elements(self.file):
            depth += 1 if event == "start" else -1
            if depth > 50:
                raise broken(self.file, "it is nested too deeply")
            if event == "start":
                root = element if root is None else root
                if depth == 1 and element.tag != "annotations":
                    raise broken(self.file, f"it begins with <{element.tag[:40]}> instead of <annotations>")
                continue
            # Cleared as they end: a long file never lies in memory as a tree.
            if depth == 1:
                if element.tag == "meta":
                    self._meta(element)
                elif element.tag == "track":
                    self._track(element)
                elif element.tag == "image":
                    self._image(element)
                assert root is not None
                root.clear()
            elif element.tag == "time" and depth == 3:
                self._time(element)
                element.clear()
        if root is None:
            raise broken(self.file, "it is empty")
        if self.other_shapes:
            self.gathered.notes.append(f"{self.other_shapes:,} shapes that are no boxes were left out.")
        return self.gathered.table(self.source, self.size_wh, self.rate_hz or rate_hz)

    def _time(self, element: Any) -> None:
        size = int(element.get("width", 0)), int(element.get("height", 0))
        self.times[int(element.get("frame"))] = float(element.get("pts_s")), element.get("name", ""), size

    def _meta(self, meta: Any) -> None:
        task = next((part for name in ("task", "job", "project") if (part := meta.find(name)) is not None), None)
        if task is not None:
            self.labels = [label.findtext("name") or "" for label in task.iterfind("labels/label")]
            self.source = task.findtext("source") or task.findtext("name") or ""
            size = task.find("original_size")
            if size is not None:
                self.size_wh = int(size.findtext("width") or 0), int(size.findtext("height") or 0)
            first, last = int(task.findtext("start_frame") or 0), int(task.findtext("stop_frame") or -1)
            if last - first >= MOST_FRAMES or first < 0:
                raise broken(self.file, f"it claims to go from frame {first} to {last}")
            self.range = (first, last) if task.findtext("mode") == "interpolation" else None
        own = meta.find("scenescope")
        self.gathered = Gathered(self.file, self.labels)
        if own is not None:
            self.rate_hz = float(own.get("rate_hz", 0))
            self.untracked_from = int(own.get("untracked_from", 2**62))
            for frame, known in self.times.items():
                self.gathered.frame(frame, *known)
        elif self.range is not None:
            for frame in range(self.range[0], self.range[1] + 1):
                self.gathered.frame(frame)

    def _image(self, image: Any) -> None:
        frame = int(image.get("id"))
        size = int(image.get("width", 0)), int(image.get("height", 0))
        self.gathered.frame(frame, None, Path(image.get("name", "").replace("\\", "/")).name, size)
        for shape in image:
            if shape.tag == "box":
                self.gathered.add(frame, shape.get("label", ""), _corners(shape).tolist(), _confidence(shape))
            elif shape.tag != "tag":
                self.other_shapes += 1

    def _track(self, track: Any) -> None:
        boxes = sorted((box for box in track if box.tag == "box"), key=lambda box: int(box.get("frame")))
        self.other_shapes += sum(shape.tag != "box" for shape in track)
        number = int(track.get("id", -1))
        track_id = number if 0 <= number < self.untracked_from else None
        label = track.get("label", "")
        for box, after in zip_longest(boxes, boxes[1:]):
            if box.get("outside") == "1":
                continue
            frame, corners, confidence = int(box.get("frame")), _corners(box), _confidence(box)
            self.gathered.add(frame, label, corners.tolist(), confidence, track_id)
            if after is not None:
                self._between(frame, corners, after, label, confidence, track_id)

    def _between(
        self, frame: int, corners: NDArray[np.float64], after: Any, label: str, confidence: float, track_id: int | None
    ) -> None:
        """The frames from one box of a track to the next; it stays where it is when it is gone at the next."""
        gap = int(after.get("frame")) - frame
        if gap > LONGEST_GAP:
            raise broken(self.file, f"a track in it has nothing between frames {frame} and {frame + gap}")
        step = np.zeros(4) if after.get("outside") == "1" else (_corners(after) - corners) / max(gap, 1)
        for at in range(1, gap):
            if not self.times or frame + at in self.times:
                self.gathered.add(frame + at, label, (corners + step * at).tolist(), confidence, track_id)


def _corners(box: Any) -> NDArray[np.float64]:
    return np.array([float(box.get(name)) for name in ("xtl", "ytl", "xbr", "ybr")])


def _confidence(box: Any) -> float:
    for attribute in box.iterfind("attribute"):
        if attribute.get("name") == "confidence":
            try:
                return float(attribute.text or 1.0)
            except ValueError:
                return 1.0
    return 1.0
