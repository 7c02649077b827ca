"""Makes the card of every stage: an example picture, what it costs, and the page docs/stages.md.

    python benchmarks/stage_cards.py [KIND ...]

Pictures go to resources/stage_cards, costs to cards.json there. Without names, all stages are done.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from stage_examples import EXAMPLES, SIZE_WH, Example

from scenescope.models.budget import ThreadBudget
from scenescope.pipelines import STAGES, Frame, Stage, StageContext
from scenescope.pipelines.overlay import OverlayPainter, OverlayStyle
from scenescope.pipelines.stage_cards import FOLDER

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "resources" / FOLDER
PAGE = ROOT / "docs" / "stages.md"
GROUPS = (
    "Adjust",
    "Edges and shapes",
    "Motion",
    "Markers and codes",
    "Detect and recognise",
    "Track",
    "Effects and privacy",
)
RATE_HZ = 15.0
RUNS = 15


def opened(kind: str, params: dict) -> Stage:
    cls = STAGES.get(kind)
    stage = cls(cls.validated(params))
    budget = ThreadBudget.for_latency()
    stage.context = StageContext(stage_id=kind, rate_hz=RATE_HZ, size_wh=SIZE_WH, threads=budget)
    budget.apply()
    stage.open(stage.context)
    return stage


def make(kind: str, example: Example) -> dict:
    """Write the picture of one stage; its row of cards.json."""
    before = [opened(name, params) for name, params in example.before]
    stage = opened(kind, example.params)
    durations, frame, out = [], None, None
    images = example.frames()
    # A single picture is shown again and again, as a camera on a stand does.
    for index, image in enumerate(images if len(images) > 1 else images * RUNS):
        frame = Frame(image, index=index, pts_s=index / RATE_HZ, captured_s=index / RATE_HZ)
        for earlier in before:
            frame = earlier.process(frame)
        started = time.perf_counter()
        out = stage.process(frame)
        durations.append(time.perf_counter() - started)
    assert frame is not None
    assert out is not None
    for one in (*before, stage):
        one.close()
    left, right = frame.image.copy(), out.image.copy()
    # The picture is shown at a quarter of its size.
    painter = OverlayPainter(OverlayStyle(scale=2.5))
    painter.paint(right, [(name, value) for name in out.results if (value := out.result(name)) is not None])
    cv2.imwrite(str(CARDS / f"{kind}.jpg"), side_by_side(left, right), [cv2.IMWRITE_JPEG_QUALITY, 82])
    return {
        "cost_ms": float(f"{statistics.median(durations[2:]) * 1e3:.2g}"),
        "size_wh": list(SIZE_WH),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures of 320x180 with a line between them, each whole on a dark ground."""
    tiles = []
    for image in (left, right):
        scale = min(320 / image.shape[1], 180 / image.shape[0])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        tile = np.full((180, 320, 3), 40, np.uint8)
        top, left_px = (180 - small.shape[0]) // 2, (320 - small.shape[1]) // 2
        tile[top : top + small.shape[0], left_px : left_px + small.shape[1]] = small
        tiles.append(tile)
    return np.hstack([tiles[0], np.full((180, 4, 3), 255, np.uint8), tiles[1]])


def page(cards: dict[str, dict]) -> str:
    """docs/stages.md: every stage with its parameters."""
    lines = [
        "# The stages",
        "",
        "Made by `benchmarks/stage_cards.py` from the declarations of the stages: left the picture as it comes, right "
        "as it goes on, with what was found drawn over it. Costs are medians on the machine that made the page.",
    ]
    stages = {kind: STAGES.get(kind) for kind in cards}
    for group in GROUPS:
        lines += ["", f"## {group}"]
        for kind, cls in sorted(stages.items(), key=lambda item: item[1].info.title):
            if cls.info.group != group:
                continue
            cost = cards[kind]["cost_ms"]
            words = [f"{cost:g} ms" if cost else "cost depends on the network"]
            words += ["needs frames in order"] * cls.info.stateful + ["own lane when live"] * (cls.info.lane == "side")
            words += ["hides the picture when it cannot work"] * cls.info.privacy
            lines += ["", f"### {cls.info.title}", "", f"`{kind}`: {cls.info.summary} ({'; '.join(words)})", ""]
            if (CARDS / f"{kind}.jpg").exists():
                lines += [f"![{cls.info.title}](../resources/{FOLDER}/{kind}.jpg)", ""]
            lines += ["| parameter | by default | |", "|---|---|---|"]
            for name, field in cls.Params.model_fields.items():
                lines.append(f"| `{name}` | `{shown(field.default)}` | {field.description or ''} |")
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    text = value.model_dump_json() if hasattr(value, "model_dump_json") else str(getattr(value, "value", value))
    return text.replace("|", "\\|") or " "


def main() -> None:
    CARDS.mkdir(exist_ok=True)
    table = CARDS / "cards.json"
    cards = json.loads(table.read_text(encoding="utf-8")) if table.exists() else {}
    ours = [row.name for row in STAGES.rows() if row.distribution == "scenescope"]
    for kind in sys.argv[1:] or ours:
        if kind in EXAMPLES:
            cards[kind] = make(kind, EXAMPLES[kind])
        else:
            cards[kind] = {"cost_ms": 0, "size_wh": list(SIZE_WH), "machine": ""}
        print(f"{kind:16} {cards[kind]['cost_ms']:8.2f} ms")
    cards = {kind: cards[kind] for kind in sorted(cards) if kind in ours}
    table.write_text(json.dumps(cards, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(cards), encoding="utf-8")


if __name__ == "__main__":
    main()
