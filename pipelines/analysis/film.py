"""A film as an analysis reads it: indexed first, so that every picture has its own number for good."""

from __future__ import annotations

from dataclasses import replace

from scenescope.models import SourceError
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.sources.video import VideoFile

__all__ = ["IndexedFilm"]


class IndexedFilm(VideoFile):
    """A video file whose pictures have the same numbers in every run and in every player, also when it is damaged."""

    def open(self) -> SourceInfo:
        """Open the file and learn the times of all its pictures, unless that was done before.

        Raises:
            SourceError: as :class:`VideoFile`, or it was interrupted.
        """
        info = super().open()
        self.build_index(lambda done: None, self._interrupted.is_set)
        index = self.frame_index
        if index is None:
            raise SourceError(f"Opening {self.path.name} was interrupted.", hint="Open it again.")
        first = index.index_at(self.start_s or 0.0)
        end = len(index) if self.end_s is None else index.index_at(self.end_s)
        return replace(info, frame_count=max(end - first, 0))
