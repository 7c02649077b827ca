"""Reading text with the networks that the RapidOCR package carries (PP-OCRv6: PaddlePaddle, Apache-2.0)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.errors import ModelMissing, RuntimeMissing
from scenescope.models.results import Texts
from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.models.vision.runtimes.onnx import OnnxNetwork

__all__ = ["TextReader"]

Image = NDArray[np.uint8]

_LEAST_SIDE_PX = 8
_MOST_ASPECT = 8
# A line that is read less surely than this might be upside down.
_SURE = 0.9


class TextReader:
    """Finds lines of text and reads them: Latin scripts of some 40 languages, Chinese and Japanese.

    RapidOCR finds lines with one network and reads them with another. Only weights that lie in the installed package
    are used; nothing is ever downloaded. They run in sessions of our own, with the threads and the device of
    ``options``. May be called from several threads at once.

    Args:
        options: device and threads.
        side_px: larger pictures are brought to this longer side before lines are looked for.
        upside_down: True to read what is not read surely upside down as well, and keep the surer reading.

    Raises:
        RuntimeMissing: RapidOCR is not installed, or has not the device asked for and ``options`` are strict.
        ModelMissing: the installed RapidOCR carries no weights.
    """

    def __init__(self, options: LoadOptions | None = None, side_px: int = 1280, upside_down: bool = True) -> None:
        if find_spec("rapidocr") is None:
            raise RuntimeMissing(
                "Reading text needs RapidOCR, which is not installed.",
                hint="Install it: pip install 'scenescope[ocr]'.",
            )
        from rapidocr import RapidOCR

        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                # We leave out what is not sure enough.
                "Global.text_score": 0.0,
                "Global.max_side_len": side_px,
                # Its network for this calls whole sentences upside down that are not.
                "Global.use_cls": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": side_px,
            }
        )
        self._upside_down = upside_down
        # RapidOCR takes sessions that are there already, and then looks for no files itself.
        self._engine.cfg._set_flag("allow_objects", True)
        self._networks: list[_OpenNetwork] = []
        folder = Path(self._engine.cfg.Global.model_root_dir)
        for part in ("Det", "Rec"):
            config = self._engine.cfg[part]
            network = _OpenNetwork(_weights(config, folder), options or LoadOptions(), {})
            config.session = network.session
            self._networks.append(network)

    def read(self, image: Image) -> Texts:
        """All lines of a picture, uint8 (H, W, 3) BGR, from top to bottom, with ``confidence`` 0..1.

        Corners are clockwise from the upper left of the line as it is read.
        """
        if min(image.shape[:2]) < _LEAST_SIDE_PX:
            return Texts()
        # The networks take long strips to enormous sizes; beside a margin they stay what they are.
        least = max(image.shape[:2]) // _MOST_ASPECT
        down, right = (max(least - size, 0) for size in image.shape[:2])
        padded = np.asarray(cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        found = self._engine(padded)
        if found.txts is None or found.boxes is None or not len(found.txts):
            return Texts()
        quads = np.asarray(found.boxes, np.float32).reshape(-1, 4, 2)
        # RapidOCR reads what is high and narrow from its right side on, as if turned to the left.
        turned = [high >= 1.5 * wide for wide, high in map(_sides, quads)]
        quads = np.array(
            [np.roll(quad, -1, axis=0) if tall else quad for quad, tall in zip(quads, turned, strict=True)]
        )
        texts, scores = list(found.txts), list(found.scores)
        unsure = [row for row, score in enumerate(scores) if score < _SURE] if self._upside_down else []
        if unsure:
            flipped = np.roll(quads[unsure], 2, axis=1)
            again = self._engine.recognize_txt([_line(padded, quad) for quad in flipped])
            for row, quad, text, score in zip(unsure, flipped, again.txts, again.scores, strict=True):
                if score > scores[row] and text.strip():
                    quads[row], texts[row], scores[row] = quad, text, score
        quads = np.clip(quads, 0, image.shape[1::-1])
        return Texts(quad_xy=quads, text=tuple(texts), confidence=np.asarray(scores, np.float32))

    def placement(self) -> Placement:
        """Where the networks run; of several, the one that does not run where it should."""
        placements = [network.placement for network in self._networks]
        return next((p for p in placements if p.problem), placements[0])

    def close(self) -> None:
        """Release the networks."""
        for network in self._networks:
            network.close()
        self._engine = None


def _sides(quad: NDArray[np.float32]) -> tuple[float, float]:
    """Width and height of a line in pixels; the longer of either two sides."""
    top, right, bottom, left = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1).tolist()
    return max(top, bottom, 1.0), max(left, right, 1.0)


def _line(image: Image, quad: NDArray[np.float32]) -> Image:
    """What lies in a quadrilateral, upright, its first corner at the upper left."""
    wide, high = (int(side) for side in _sides(quad))
    upright = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    matrix = cv2.getPerspectiveTransform(quad, upright)
    line = cv2.warpPerspective(image, matrix, (wide, high), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(line, np.uint8)


class _OpenNetwork(OnnxNetwork):
    """A network that lends its session to RapidOCR."""

    @property
    def session(self) -> Any:
        return self._session


def _weights(config: Any, folder: Path) -> Path:
    """The file that RapidOCR's configuration means, which must lie in its package.

    Raises:
        ModelMissing: it does not.
    """
    from rapidocr.inference_engine.base import FileInfo, InferSession

    wanted = FileInfo(
        engine_type=config.engine_type,
        ocr_version=config.ocr_version,
        task_type=config.task_type,
        lang_type=config.lang_type,
        model_type=config.model_type,
    )
    path = folder / Path(InferSession.get_model_url(wanted)["model_dir"]).name
    if not path.is_file():
        raise ModelMissing(
            f"The installed RapidOCR carries no {path.name}.", hint="Install it anew: pip install 'rapidocr>=3.10'."
        )
    return path
