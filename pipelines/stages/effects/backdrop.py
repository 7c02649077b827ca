"""Background blur and replacement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Masks, StageError
from scenescope.models.vision.mattes import full_alpha, outlined, over, steadied
from scenescope.pipelines import FilePath, Frame, ModelOf, StageContext, StageParams
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Backdrop"]

Image = NDArray[np.uint8]

GRID_PX = 16
# Grey levels of the squares that stand for transparent.
GRID_GREYS = (204, 153)
# A Gaussian of this width is as good on a picture of an eighth of the pixels.
COARSE_SIGMA_PX = 6.0


class Backdrop(NetworkStage, title="Background", group="Effects and privacy", stateful=True, privacy=True):
    """Blur what is behind people, or put a colour, a picture or a grid in its place.

    When nobody is found, the whole picture is background.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("matte")] = Field("selfie_segmentation_256", description="The network.")
        mode: Literal["blur", "colour", "picture", "grid"] = Field("blur", description="What is behind the people.")
        sigma_px: float = Field(15.0, ge=2, le=100, description="How far the blur reaches, in pixels.")
        colour: str = Field(
            "#1d8348", pattern=r"^#[0-9a-fA-F]{6}$", description="The colour as #rrggbb: red, green, blue."
        )
        picture: FilePath = Field("", description="Path of the picture; it fills the frame and keeps its shape.")
        confidence: float = Field(0.5, ge=0.05, le=0.95, description="Pixels less surely a person are background.")
        softness_px: float = Field(6.0, ge=0, le=60, description="Width of the soft edge around people, in pixels.")
        smooth: float = Field(0.6, ge=0, le=0.95, description="How much unsure pixels keep of the picture before.")

    def needs_reopen(self, params: StageParams) -> bool:
        return super().needs_reopen(params) or self._picture_of(params) != self._picture_of(self.params)

    def open(self, context: StageContext) -> None:
        path = self._picture_of(self.params)
        self._picture = _read(path) if path is not None else None
        self._before: NDArray[np.uint8] | None = None
        self._fitted: Image | None = None
        super().open(context)

    def process(self, frame: Frame) -> Frame:
        found = self.find(frame, Masks, confidence=self.params.confidence)
        self._before = steadied(full_alpha(found), self._before, self.params.smooth)
        inside = outlined(self._before, self.params.confidence, self.params.softness_px)
        return frame.with_image(over(frame.image, self._behind(frame.image), inside))

    def _behind(self, image: Image) -> Image:
        """The background, uint8, of the picture's shape."""
        height, width = image.shape[:2]
        if self.params.mode == "blur":
            return _blurred(image, self.params.sigma_px)
        if self.params.mode == "picture":
            assert self._picture is not None
            if self._fitted is None or self._fitted.shape != image.shape:
                self._fitted = _filling(self._picture, width, height)
            return self._fitted
        if self.params.mode == "grid":
            y, x = np.ogrid[0:height, 0:width]
            squares = np.where((x // GRID_PX + y // GRID_PX) % 2, *GRID_GREYS).astype(np.uint8)
            return np.repeat(squares[:, :, None], 3, axis=2)
        red, green, blue = bytes.fromhex(self.params.colour[1:])
        plain = np.empty_like(image)
        plain[:] = (blue, green, red)
        return plain

    @staticmethod
    def _picture_of(params: StageParams) -> str | None:
        assert isinstance(params, Backdrop.Params)
        return params.picture if params.mode == "picture" else None


def _read(path: str) -> Image:
    """The picture, uint8 BGR.

    Raises:
        StageError: there is none, or it cannot be read.
    """
    hint = "Choose a picture file (PNG, JPEG, WebP), or another background."
    if not path:
        raise StageError("No picture was chosen for the background.", hint=hint, permanent=True)
    try:
        content = np.fromfile(Path(path).expanduser(), np.uint8)
    except OSError as error:
        raise StageError(f"{path} cannot be read: {error.strerror}.", hint=hint, permanent=True) from error
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise StageError(f"{path} is not a picture.", hint=hint, permanent=True)
    return np.asarray(image, np.uint8)


def _filling(picture: Image, width: int, height: int) -> Image:
    """The middle of the picture, scaled to fill the frame."""
    h, w = picture.shape[:2]
    scale = min(w / width, h / height)
    part_w, part_h = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (w - part_w) // 2, (h - part_h) // 2
    part = picture[top : top + part_h, left : left + part_w]
    shrinks = part_w > width
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def _blurred(image: Image, sigma_px: float) -> Image:
    """A Gaussian blur; a wide one is made on a smaller picture, which the eye cannot tell."""
    height, width = image.shape[:2]
    factor = max(int(sigma_px / COARSE_SIGMA_PX * 2), 1)
    small_wh = (max(width // factor, 1), max(height // factor, 1))
    small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / factor)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
