"""Tables to write and read back, and pictures that go with them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.pipelines.exchange.fakes import make_table
from scenescope.pipelines.exchange.table import BoxTable


@pytest.fixture
def table() -> BoxTable:
    """A film of 640 x 360 at uneven times."""
    return make_table()


@pytest.fixture
def pictures(tmp_path: Path, table: BoxTable) -> dict[int, Path]:
    """A picture for every frame of ``table``, by position."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    data = cv2.imencode(".jpg", np.full((360, 640, 3), 90, np.uint8))[1].tobytes()
    found = {}
    for position in range(len(table.frame_index)):
        found[position] = folder / f"p{position}.jpg"
        found[position].write_bytes(data)
    return found
