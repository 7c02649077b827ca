"""The registry of tools: one list for models, rules, the command palette and tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from scenescope.app.assistant.tools.act import act_tools
from scenescope.app.assistant.tools.confirm import confirm_tools
from scenescope.app.assistant.tools.edit import edit_tools
from scenescope.app.assistant.tools.host import Host
from scenescope.app.assistant.tools.plan import AppTool
from scenescope.app.assistant.tools.read import Look, read_tools
from scenescope.app.assistant.tools.watch import watch_tools
from scenescope.models.language import ToolSpec

if TYPE_CHECKING:
    from scenescope.app.assistant.knowledge import Knowledge

__all__ = ["Toolbox", "toolbox"]


class Toolbox(Mapping[str, AppTool[Any]]):
    """Tools by their names, in the order in which they are listed."""

    def __init__(self, tools: Sequence[AppTool[Any]]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    @cached_property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What providers are told."""
        return tuple(tool.spec for tool in self._tools.values())

    def __getitem__(self, name: str) -> AppTool[Any]:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)


def toolbox(host: Host, knowledge: Knowledge, look: Look | None = None) -> Toolbox:
    """All that the assistant can look up and do.

    Args:
        host: what is acted on.
        knowledge: what is known of the scene and of the past.
        look: has a model look at pictures; without it there is no tool ``look``.
    """
    return Toolbox(
        [
            *read_tools(host, knowledge, look),
            *act_tools(host, knowledge),
            *edit_tools(host, lambda: knowledge.scene.known_labels),
            *watch_tools(host, lambda: knowledge.scene.known_labels),
            *confirm_tools(host),
        ]
    )
