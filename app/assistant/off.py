"""Off: who describes when nobody is to."""

from __future__ import annotations

from collections.abc import Iterator

from scenescope.models.language import Failed, ModelState, Phase, Reach, Request, Role, StreamEvent

__all__ = ["Off"]


class Off:
    """Describes nothing and looks at nothing. A :class:`~scenescope.models.language.LanguageModel`."""

    label = "Off"
    reach = Reach.THIS_COMPUTER
    state = ModelState(Phase.OFF, "nothing is described by itself; questions are answered.")
    roles: frozenset[Role] = frozenset()

    def respond(self, request: Request) -> Iterator[StreamEvent]:
        """Nothing."""
        yield Failed("Descriptions are off.", "Choose who describes in the settings of the assistant.")

    def cancel(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is held."""
