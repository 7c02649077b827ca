"""Every stage has a card, and the page of the stages says what the stages declare."""

from __future__ import annotations

import cv2
import pytest

from scenescope.pipelines import STAGES
from scenescope.pipelines.stage_cards import card_of

PAGE = "docs/stages.md"
# No network for these comes with Scenescope, so there is nothing to show.
WITHOUT_PICTURE = {"depth", "depth_picture", "find", "segment"}
OURS = [row.name for row in STAGES.rows() if row.distribution == "scenescope"]


@pytest.mark.parametrize("kind", OURS)
def test_every_stage_has_a_card(kind, request):
    card = card_of(kind)
    assert card is not None, "run benchmarks/stage_cards.py"
    page = (request.config.rootpath / PAGE).read_text(encoding="utf-8")
    cls = STAGES.get(kind)
    assert f"`{kind}`: {cls.info.summary} (" in page
    section = page.split(f"### {cls.info.title}\n", 1)[1].split("\n### ", 1)[0]
    for name, field in cls.Params.model_fields.items():
        assert f"| `{name}` |" in section
        assert field.description in section
    if kind in WITHOUT_PICTURE:
        assert card.picture is None
        assert card.cost == "What it costs depends on the network that you choose."
        return
    assert card.picture is not None
    picture = cv2.imread(str(card.picture))
    assert picture.shape == (180, 644, 3)
    assert card.cost_ms > 0
    before, after = picture[:, :320].astype(int), picture[:, 324:].astype(int)
    assert abs(before - after).max() > 15, "before and after differ to the eye"


def test_a_plugin_has_none():
    assert card_of("outline_of_somebody") is None
