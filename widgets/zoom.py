"""Which part of the picture is shown."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Zoom"]

MOST = 32.0


@dataclass(frozen=True)
class Zoom:
    """A part of the picture: ``x`` and ``y`` of its corner as fractions of the picture, magnified ``scale`` times."""

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """The part as fractions of width and height."""
        return (self.x, self.y, 1 / self.scale, 1 / self.scale)

    def magnified(self, factor: float, at_xy: tuple[float, float] | None = None) -> Zoom:
        """``factor`` times larger; the point ``at_xy`` of the picture, by default the centre, stays where it is."""
        scale = min(max(self.scale * factor, 1.0), MOST)
        part = 1 / self.scale
        at_x, at_y = at_xy or (self.x + part / 2, self.y + part / 2)
        keep = self.scale / scale
        return Zoom(at_x - (at_x - self.x) * keep, at_y - (at_y - self.y) * keep, scale)._inside()

    def moved(self, dx: float, dy: float) -> Zoom:
        """Shifted by fractions of what is shown."""
        return Zoom(self.x + dx / self.scale, self.y + dy / self.scale, self.scale)._inside()

    def _inside(self) -> Zoom:
        most = 1 - 1 / self.scale
        return Zoom(min(max(self.x, 0.0), most), min(max(self.y, 0.0), most), self.scale)
