"""Tools for watches: rules that tell the user when something happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from scenescope.app.assistant.tools.confirm import exact_name
from scenescope.app.assistant.tools.host import Host, no_window, zones_of
from scenescope.app.assistant.tools.plan import AppTool, Plan, ToolArgs, done, planned_tool
from scenescope.models import AssistantError
from scenescope.models.language import Risk
from scenescope.pipelines.scene_state import clean_text
from scenescope.pipelines.watches import WatchBook, WatchRule
from scenescope.pipelines.watches.check import labels_of, problems

__all__ = ["watch_tools"]

Rules = tuple[WatchRule, ...]
WatchName = Annotated[str, Field(min_length=1, max_length=60, description="Name of the watch.")]


class AddWatch(ToolArgs):
    rule: Annotated[WatchRule, Field(description="What to wait for.")]


class RemoveWatch(ToolArgs):
    name: WatchName


class SetWatch(ToolArgs):
    name: WatchName
    enabled: Annotated[bool, Field(description="True switches it on, False off.")]


def watch_tools(host: Host, known_labels: Callable[[], tuple[str, ...]]) -> list[AppTool[Any]]:
    """The tools that change the watches of ``host``; ``known_labels`` gives what its detector tells apart."""

    def add(args: AddWatch) -> Plan:
        book = _book(host)
        rule = _placed(host, args.rule)
        if any(known.name.casefold() == rule.name.casefold() for known in book.rules):
            raise AssistantError(
                f"There is already a watch called '{clean_text(rule.name, 60)}'.",
                hint="Remove it, or say another name.",
            )
        title = f"Watch '{clean_text(rule.name, 60)}': {clean_text(rule.sentence, 200)}"
        wrong = problems(rule, host.spec, known_labels() or labels_of(host.spec, host.registry), host.registry)
        return _change(book, title, lambda rules: (*rules, rule), lambda: book.put(rule), " ".join(wrong))

    def remove(args: RemoveWatch) -> Plan:
        book = _book(host)
        name = _named(book, args.name).name
        return _change(
            book,
            f"Remove the watch '{clean_text(name, 60)}'",
            lambda rules: tuple(rule for rule in rules if rule.name != name),
            lambda: book.remove(name),
        )

    def switch(args: SetWatch) -> Plan:
        book = _book(host)
        rule = _named(book, args.name)
        changed = rule.model_copy(update={"enabled": args.enabled})
        return _change(
            book,
            f"Switch {'on' if args.enabled else 'off'} the watch '{clean_text(rule.name, 60)}'",
            lambda rules: tuple(changed if one.name == rule.name else one for one in rules),
            lambda: book.put(changed),
        )

    automatic = Risk.AUTOMATIC_WITH_UNDO
    return [
        planned_tool(
            "add_watch", "Tell the user from now on when something happens.", AddWatch, automatic, add,
            ("tell me when a [truck enters zone A]", "tell me when the [dog] leaves"),
        ),
        planned_tool("remove_watch", "Remove a watch.", RemoveWatch, automatic, remove, ("remove the watch",)),
        planned_tool("set_watch", "Switch a watch on or off.", SetWatch, automatic, switch, ("switch off the watch",)),
    ]  # fmt: skip


def _book(host: Host) -> WatchBook:
    if host.watches is None:
        raise no_window()
    return host.watches


def _named(book: WatchBook, name: str) -> WatchRule:
    return book.get(exact_name(name, tuple(rule.name for rule in book.rules), "watch"))


def _placed(host: Host, rule: WatchRule) -> WatchRule:
    """With zone and line as they are spelt where they are drawn; a watch on a zone that is not there never ends."""
    zones = zones_of(host.spec)
    update = {}
    if rule.zone:
        update["zone"] = exact_name(rule.zone, tuple(zone.name for zone in zones.zones), "zone")
    if rule.line:
        update["line"] = exact_name(rule.line, tuple(line.name for line in zones.lines), "line")
    return rule.model_copy(update=update)


def _change(
    book: WatchBook, title: str, change: Callable[[Rules], Rules], carry_out: Callable[[], object], wrong: str = ""
) -> Plan:
    before = book.rules
    after = change(before)
    if after == before:
        return Plan(title, lambda: done(f"{title}: that is so already."), Risk.AUTOMATIC_WITH_UNDO, idle=True)

    def do() -> Any:
        if book.rules != before:
            raise AssistantError("The watches were changed meanwhile.", hint="Say it again.")
        carry_out()
        return done(f"{title}: done. {wrong}".strip())

    def undo() -> None:
        book.restore(_taken_back(book.rules, before, after))

    touched = tuple(repr(rule) for rule in {*before} ^ {*after})
    return Plan(title, do, Risk.AUTOMATIC_WITH_UNDO, about=tuple(sorted(touched)), undo=undo)


def _taken_back(now: Rules, before: Rules, after: Rules) -> Rules:
    """``now`` without the change of one rule that led from ``before`` to ``after``."""
    if now == after:
        return before
    old, new = ({rule.name: rule for rule in rules} for rules in (before, after))
    name = next(name for name in (*old, *new) if old.get(name) != new.get(name))
    there = next((rule for rule in now if rule.name == name), None)
    if there != new.get(name):
        raise AssistantError(f"The watch '{clean_text(name, 60)}' was changed since, so this cannot be undone.")
    former = old.get(name)
    if former is None:
        return tuple(rule for rule in now if rule.name != name)
    if there is None:
        at = [rule.name for rule in before].index(name)
        return (*now[:at], former, *now[at:])
    return tuple(former if rule.name == name else rule for rule in now)
