"""Tools that move the playback and the view: reversible, and done at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from scenescope.app.assistant.tools.edit import Labels, Name
from scenescope.app.assistant.tools.host import Host, SourceView
from scenescope.app.assistant.tools.plan import AppTool, Plan, ToolArgs, done, planned_tool
from scenescope.app.assistant.words import joined, vocabulary
from scenescope.models import AssistantError, EventKind
from scenescope.models.language import Evidence, Risk, media_time
from scenescope.pipelines.scene_look import COLOURS
from scenescope.pipelines.scene_state import clean_text

if TYPE_CHECKING:
    from scenescope.app.assistant.knowledge import Knowledge

__all__ = ["EventWish", "act_tools", "classes_of"]

DAY_S = 86_400.0
LOOKED_THROUGH = 1000
NO_FRAME = -1

Colour = Annotated[Literal["", *COLOURS], Field(description="Only objects of this colour; empty for any.")]  # type: ignore[valid-type]
Place = Annotated[str, Field(max_length=60)]


class EventWish(ToolArgs):
    """An event to go to."""

    kind: Annotated[EventKind, Field(description="What happens.")] = EventKind.APPEAR
    labels: Labels = ()
    colour: Colour = ""
    zone: Annotated[Place, Field(description="Only in this zone.")] = ""
    line: Annotated[Place, Field(description="Only over this line.")] = ""
    which: Annotated[
        Literal["first", "last", "next", "previous"], Field(description="next and previous are seen from now.")
    ] = "first"


class Seek(ToolArgs):
    t_s: Annotated[float | None, Field(ge=0, le=10 * DAY_S, description="To this time, in seconds.")] = None
    relative_s: Annotated[float | None, Field(ge=-DAY_S, le=DAY_S, description="So far from here, in seconds.")] = None
    event: Annotated[EventWish | None, Field(description="To where this happens.")] = None
    frame: Annotated[int | None, Field(ge=0, le=2**40, description="To the picture with this number.")] = None

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        if sum(goal is not None for goal in (self.t_s, self.relative_s, self.event, self.frame)) != 1:
            raise ValueError("give one of t_s, relative_s, event and frame")
        return self


class PlayPause(ToolArgs):
    playing: Annotated[bool, Field(description="True plays on, False holds the picture.")]


class SelectTrack(ToolArgs):
    track_id: Annotated[int, Field(ge=0, le=2**53, description="Number of the object.")]


class Highlight(ToolArgs):
    labels: Labels = ()


class ShowPanel(ToolArgs):
    panel: Annotated[Name, Field(description="Name of the panel: stages, events, analysis, timing, assistant.")]


def act_tools(host: Host, knowledge: Knowledge) -> list[AppTool[Any]]:
    """The tools that move ``host``'s playback and view; ``knowledge`` says where events are."""

    def seek(args: Seek) -> Plan:
        source = host.source
        if not source.active:
            raise AssistantError("No source is open.", hint="Open a video first.")
        if not source.film:
            return _kept(host, knowledge, source, args)
        settled, where = args, ""
        if args.event is not None:
            found, where = _found(knowledge, source.frame_index, source.pts_s, args.event)
            settled = Seek(frame=found.frame_index)
            where = f"{media_time(found.pts_s)}, {where}"
        elif args.frame is not None:
            where = f"picture {args.frame}"
        else:
            goal_s = args.t_s if args.t_s is not None else max((source.pts_s or 0.0) + (args.relative_s or 0.0), 0.0)
            if args.t_s is not None and source.duration_s is not None and goal_s > source.duration_s:
                raise AssistantError(f"The film ends at {media_time(source.duration_s)}.")
            settled, where = Seek(t_s=goal_s), media_time(goal_s)

        def do() -> Any:
            if settled.frame is not None:
                host.seek_frame(settled.frame)
            else:
                host.seek(settled.t_s or 0.0)
            return done(f"Went to {where}.")

        def undo() -> None:
            if source.frame_index is not None:
                host.seek_frame(source.frame_index)

        return Plan(f"Go to {where}", do, Risk.REVERSIBLE, about=("source", source.key), undo=undo, settled=settled)

    def play(args: PlayPause) -> Plan:
        source = host.source
        title = "Play" if args.playing else "Pause"
        if not source.active:
            raise AssistantError("No source is open.", hint="Open a camera or a video first.")
        if source.playing == args.playing:
            return Plan(title, lambda: done(f"{title}: that is so already."), Risk.REVERSIBLE, idle=True)

        def do() -> Any:
            host.set_playing(args.playing)
            return done("Playing." if args.playing else "Paused.")

        return Plan(
            title, do, Risk.REVERSIBLE, about=("source", source.key), undo=lambda: host.set_playing(not args.playing)
        )

    def select(args: SelectTrack) -> Plan:
        source, former = host.source, host.selected_track

        def do() -> Any:
            host.select_track(args.track_id)
            return done(f"Chose object {args.track_id}.")

        return Plan(
            f"Choose object {args.track_id}",
            do,
            Risk.REVERSIBLE,
            about=("source", source.key),
            undo=lambda: host.select_track(former),
        )

    def highlight(args: Highlight) -> Plan:
        labels = classes_of(knowledge, args.labels)
        former = host.highlighted
        title = f"Highlight: {joined([clean_text(label) for label in labels])}" if labels else "Highlight nothing"

        if labels == former:
            return Plan(title, lambda: done(f"{title}: that is so already."), Risk.REVERSIBLE, idle=True)

        def do() -> Any:
            host.highlight(labels)
            return done(f"{title}.")

        return Plan(title, do, Risk.REVERSIBLE, undo=lambda: host.highlight(former))

    def show(args: ShowPanel) -> Plan:
        panels = host.panels
        wanted = args.panel.casefold().strip()
        name = next((name for name, title in panels.items() if wanted in (name.casefold(), title.casefold())), None)
        if name is None:
            hint = f"There are: {', '.join(panels.values())}." if panels else ""
            raise AssistantError(f"There is no panel '{clean_text(args.panel)}' here.", hint=hint)

        def do() -> Any:
            host.show_panel(name)
            return done(f"Showed the panel {panels[name]}.")

        return Plan(f"Show the panel '{panels[name]}'", do, Risk.REVERSIBLE)

    reversible = Risk.REVERSIBLE
    return [
        planned_tool(
            "seek", "Go to another place of a film: a time, so far from here, or where something happens.",
            Seek, reversible, seek, ("go to [1:20]", "go back [10 seconds]", "jump to when the [car] appears"),
        ),
        planned_tool("play_pause", "Play on, or hold the picture.", PlayPause, reversible, play, ("pause", "play")),
        planned_tool(
            "select_track", "Choose an object by its number.", SelectTrack, reversible, select, ("select object [7]",)
        ),
        planned_tool(
            "highlight", "Draw the objects of some classes stronger than others; of none to end that.",
            Highlight, reversible, highlight, ("highlight [people]", "highlight nothing"),
        ),
        planned_tool(
            "show_panel", "Show a panel of the window.", ShowPanel, reversible, show, ("show the [events]",)
        ),
    ]  # fmt: skip


def _kept(host: Host, knowledge: Knowledge, source: SourceView, args: Seek) -> Plan:
    """Show what is kept of a moment, where one cannot go there."""
    if args.frame is not None:
        raise AssistantError("A camera cannot be moved in.", hint="Name a time, or ask when it happened.")
    if args.event is not None:
        found, what = _found(knowledge, source.frame_index, source.pts_s, args.event)
        where = f"{media_time(found.pts_s)}, {what}"
    else:
        goal_s = args.t_s if args.t_s is not None else max((source.pts_s or 0.0) + (args.relative_s or 0.0), 0.0)
        found, where = Evidence(NO_FRAME, goal_s), media_time(goal_s)

    def do() -> Any:
        host.show_moment(found)
        return done(f"A camera cannot be moved in; what is kept of {where} is shown in a window of its own.")

    settled = Seek(t_s=found.pts_s)
    return Plan(f"Show what is kept of {where}", do, Risk.REVERSIBLE, about=("source", source.key), settled=settled)


def _found(knowledge: Knowledge, frame: int | None, pts_s: float | None, wish: EventWish) -> tuple[Evidence, str]:
    """Where an event is, and what it is in words.

    Raises:
        AssistantError: there is none such.
    """
    words = " or ".join(clean_text(label) for label in wish.labels) or "something"
    what = f"{wish.colour} {words}: {wish.kind.value.replace('_', ' ')}".strip()
    labels = classes_of(knowledge, wish.labels)
    knowledge.flush()
    if wish.colour:
        if wish.kind is not EventKind.APPEAR or wish.which not in ("first", "last") or wish.zone or wish.line:
            raise AssistantError("By its colour, only the first and the last time something was seen can be found.")
        ask = knowledge.first_seen if wish.which == "first" else knowledge.last_seen
        seen = ask(labels, wish.colour)
        if seen is not None:
            return seen.evidence, what
    else:
        backward = wish.which in ("last", "previous")
        span = knowledge.span()
        if wish.which == "next":
            span = knowledge.span(start_s=pts_s or 0.0)
        elif wish.which == "previous" and pts_s is not None:
            span = knowledge.span(end_s=pts_s)
        zones, lines = ((wish.zone,) if wish.zone else ()), ((wish.line,) if wish.line else ())
        limit = 1 if wish.which in ("first", "last") else LOOKED_THROUGH
        events = knowledge.events(
            span, (wish.kind,), labels=labels, zones=zones, lines=lines, limit=limit, newest_first=backward
        )
        here = -1 if frame is None else frame
        for event in events:
            if wish.which != "next" or event.frame > here:
                return knowledge.evidence(event), what
    raise AssistantError(
        f"Nothing such is in the log: {what}.", hint="Only what was watched with a detector and a tracker is known."
    )


def classes_of(knowledge: Knowledge, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Classes of the detector for words such as "people"; a word that means none of them stays as it is."""
    known = knowledge.scene.known_labels
    found: list[str] = []
    for word in labels:
        target = vocabulary().resolve(word.casefold().strip(), known)
        found += target.labels if target is not None and target.labels and target.track_id is None else [word]
    return tuple(dict.fromkeys(found))
