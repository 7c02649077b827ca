"""Plan: what a call of a tool would do, worked out against the state of one moment and before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from scenescope.models.language import DiffLine, Risk, Tool, ToolResult, Undo

__all__ = ["AppTool", "NoArgs", "Plan", "ToolArgs", "done", "planned_tool"]

A = TypeVar("A", bound="ToolArgs")


class ToolArgs(BaseModel):
    """Base of all arguments: frozen, and strict about unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoArgs(ToolArgs):
    """Nothing to say."""


@dataclass(frozen=True)
class Plan:
    """What one call would do now.

    Attributes:
        title: for people, "Remove 'Canny edges'".
        do: does exactly this; raises a ScenescopeError when it cannot, or when the state has changed since.
        risk: of this call.
        why: the reason for the risk, where it is higher than the tool's.
        about: equal for two plans that do the same to the same things. What was proposed is done only if it still is.
        undo: takes it back; None when that cannot be.
        undo_asks: why taking it back as things are then would need a click on it; empty when it needs none.
        lines: the pipeline before and after.
        idle: it would change nothing, since all is so already.
        settled: the arguments with what they stood for at this moment filled in ("the last car" as the number of a
            picture), for a call that is carried out later; None when they mean the same then.
    """

    title: str
    do: Callable[[], ToolResult]
    risk: Risk
    why: str = ""
    about: Hashable = None
    undo: Undo | None = None
    undo_asks: Callable[[], str] = lambda: ""
    lines: tuple[DiffLine, ...] = ()
    idle: bool = False
    settled: ToolArgs | None = None


@dataclass(frozen=True)
class AppTool(Tool[A]):
    """A tool of the app. ``plan`` raises a ScenescopeError when the call cannot be carried out as things are."""

    plan: Callable[[A], Plan] = None  # type: ignore[assignment]


def planned_tool(
    name: str, description: str, args: type[A], risk: Risk, plan: Callable[[A], Plan], phrases: tuple[str, ...] = ()
) -> AppTool[A]:
    """A tool whose every side comes from its plan."""

    def title(values: A) -> str:
        try:
            return plan(values).title
        except Exception:
            # What cannot be done still has a name.
            return name.replace("_", " ").capitalize()

    def inverse(values: A) -> Undo | None:
        made = plan(values)
        return None if made.idle else made.undo

    return AppTool(
        name=name,
        description=description,
        args=args,
        risk=risk,
        run=lambda values: plan(values).do(),
        title=title,
        risk_of=lambda values: plan(values).risk,
        inverse=None if risk is Risk.READ else inverse,
        phrases=phrases,
        plan=plan,
    )


def done(text: str, value: Any = None) -> ToolResult:
    """Something was done. What a model is told holds no word from outside."""
    return ToolResult({"done": True} if value is None else value, text)
