"""The user's own stage files, for commands that open no window."""

from __future__ import annotations

import sys

from scenescope.app.settings import Environment

__all__ = ["take_up_own_stages"]


def take_up_own_stages(environment: Environment) -> None:
    """Register the stages of the user's folder; a file that cannot be used is told on stderr, and left out."""
    from scenescope.pipelines import STAGES
    from scenescope.pipelines.user_stages import StageFolder

    for file in StageFolder(environment.stages_dir, STAGES).scan():
        if file.problem:
            print(f"Note: {file.problem}", file=sys.stderr)
