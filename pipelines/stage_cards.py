"""Stage cards: what a stage does to an example, and what that costs. Made by ``benchmarks/stage_cards.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

__all__ = ["FOLDER", "StageCard", "card_of"]

FOLDER = "stage_cards"


@dataclass(frozen=True)
class StageCard:
    """An example of one stage.

    Attributes:
        picture: JPEG of the example, before on the left and after on the right; None where the stage needs a network
            that does not come with Scenescope.
        cost_ms: median time for one picture; 0 when it was not measured.
        size_wh: size of that picture in pixels.
        machine: what it was measured on.
    """

    picture: Path | None
    cost_ms: float
    size_wh: tuple[int, int]
    machine: str

    @property
    def cost(self) -> str:
        """The cost in words."""
        if not self.cost_ms:
            return "What it costs depends on the network that you choose."
        width, height = self.size_wh
        return f"About {self.cost_ms:.2g} ms for a picture of {width} x {height} ({self.machine})."


def card_of(kind: str) -> StageCard | None:
    """The card of a stage; None for a plugin's."""
    card = _cards().get(kind)
    if card is None:
        return None
    with as_file(files("scenescope.resources").joinpath(FOLDER, f"{kind}.jpg")) as path:
        picture = path if path.is_file() else None
    return StageCard(picture, card["cost_ms"], (card["size_wh"][0], card["size_wh"][1]), card["machine"])


@cache
def _cards() -> dict[str, dict]:  # type: ignore[type-arg]
    table = files("scenescope.resources").joinpath(FOLDER, "cards.json")
    try:
        content: dict[str, dict] = json.loads(table.read_text(encoding="utf-8"))  # type: ignore[type-arg]
    except OSError:
        return {}
    return content
