"""``scenescope models``: list, tell about, download, add, remove and trust networks."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenescope.app.environment import take_up_models
from scenescope.app.settings import Environment

if TYPE_CHECKING:
    from scenescope.models.catalogue.offers import Progress

__all__ = ["models_app"]

EXIT_NOT_DONE = 2
LINE_EVERY_S = 5.0
BAR_EVERY_S = 0.1

models_app = typer.Typer(help="Networks: those that are here, and those that can be.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Task = Annotated[str, typer.Option(help="Only those for this task, such as 'detection' or 'pose'.")]


@models_app.callback()
def _prepare(context: typer.Context) -> None:
    context.obj, put_back = take_up_models(Environment.read())
    context.call_on_close(put_back)


@models_app.command("list")
def models_list(
    task: Task = "",
    available: Annotated[bool, typer.Option("--available", help="List those that can be downloaded.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the networks of this computer."""
    from scenescope.app import listing

    found = [
        row
        for row in (listing.available_models() if available else listing.models())
        if not task or row["task"] == task
    ]
    if as_json:
        _print_json(found)
    elif found:
        listing.print_models(found)
    else:
        print(f"There is none{f' for {task}' if task else ''}. 'scenescope models list --available' lists more.")


@models_app.command("info")
def models_info(name: Annotated[str, typer.Argument(help="As 'list' tells it.")], as_json: AsJson = False) -> None:
    """Tell all that is known of one network."""
    from scenescope.app import listing
    from scenescope.models.catalogue import current

    rows = [*listing.models(), *listing.available_models()]
    row = next((row for row in rows if row["name"] == name), None)
    if row is None:
        current().card(name)  # says what is wrong with the name
        return
    if as_json:
        _print_json(row)
    else:
        listing.table("", ["", ""], [[key.replace("_", " "), str(value)] for key, value in row.items() if value != ""])


@models_app.command("get")
def models_get(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A name of 'list --available', a hub id (owner/name), or an address.")],
    yes: Yes = False,
) -> None:
    """Download a network, after asking. Ctrl+C stops it; the same command goes on with it."""
    from scenescope.models.catalogue import current
    from scenescope.models.catalogue.offers import Consent
    from scenescope.models.catalogue.trust import is_trusted, risk_of
    from scenescope.models.catalogue.understood import understood

    offer = context.obj.look_up(what)
    print(offer.question())
    if not yes:
        _ask("Go on?", "Nothing was downloaded.")
    told = _Told()
    try:
        card = context.obj.fetch(Consent(offer), told)
    finally:
        told.end()
    card, guessed = understood(current(), card)
    if guessed is not None and guessed.problem:
        print(f"It is here, but it was not understood. {guessed.problem} {guessed.hint}", file=sys.stderr)
    elif guessed is not None:
        _print_findings(guessed.findings)
    print(f"Here it is: {card.name} ({card.task or 'task not known'}), sha256 {card.sha256}.")
    if (risk := risk_of(card.path)) and not is_trusted(card.path):
        print(f"It is not used yet. {risk}. If you trust it: scenescope models trust {card.name}")


@models_app.command("add")
def models_add(
    path: Annotated[Path, typer.Argument(help="A model file or folder.")],
    name: Annotated[str, typer.Option(help="What it shall be called.")] = "",
    task: Annotated[str, typer.Option(help="What it does, when the guess is wrong.")] = "",
    yes: Yes = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for other programs, and do not ask.")] = False,
) -> None:
    """Add a network of yours: its task, input and labels are guessed, shown, and kept when you agree."""
    from scenescope.models.catalogue import current
    from scenescope.models.catalogue.guess import guess
    from scenescope.models.errors import ModelIncompatible

    found = guess(path)
    if found.problem:
        tried = f"Tried: {'; '.join(found.tried)}." if found.tried else ""
        raise ModelIncompatible(f"{path.name} was not added. {found.problem}", hint=f"{found.hint} {tried}".strip())
    card = replace(found.card, name=name or found.card.name, task=task or found.card.task)
    if not as_json:
        _print_findings(found.findings)
        if not yes:
            _ask(f"Keep it as '{card.name}' for {card.task}?", "Nothing was added.")
    kept = current().add(path, card)
    if as_json:
        findings = [asdict(finding) for finding in found.findings]
        _print_json({"name": kept.name, "task": kept.task, "sha256": kept.sha256, "findings": findings})
    else:
        print(f"Added: {kept.name}")


@models_app.command("remove")
def models_remove(name: str, yes: Yes = False) -> None:
    """Delete a network that was added or downloaded."""
    from scenescope.models.catalogue import current
    from scenescope.models.catalogue.offers import size_text

    catalogue = current()
    if all(damaged.name != name for damaged in catalogue.damaged()):
        card = catalogue.card(name)
        if card.origin != "bundled" and not yes:
            _ask(f"Delete {card.name} ({size_text(card.size_bytes)})?", "Nothing was deleted.")
    catalogue.store.remove(name)
    catalogue.store.purge()
    print(f"Deleted: {name}")


@models_app.command("trust")
def models_trust(
    what: Annotated[str, typer.Argument(metavar="NAME_OR_PATH", help="A network, or a file or folder.")],
    yes: Yes = False,
    undo: Annotated[bool, typer.Option("--undo", help="Trust it no longer.")] = False,
) -> None:
    """Say that a file which can run code may do so. Kept with its hash: a changed file is not trusted."""
    from scenescope.models.catalogue import current
    from scenescope.models.catalogue.trust import distrust, risk_of, trust

    path = Path(what) if Path(what).exists() else current().card(what).path
    if undo:
        distrust(path)
        print(f"Trusted no longer: {path}")
        return
    risk = risk_of(path)
    if not risk:
        print(f"{path} cannot run code: nobody needs to trust it.")
        return
    print(f"{path}\n{risk}.")
    if not yes:
        _ask("Do you know where it comes from, and trust it?", "It is not trusted.")
    trust(path)
    print(f"Trusted: {path}")


def _ask(question: str, otherwise: str) -> None:
    """Go on only if the user says so.

    Raises:
        typer.Exit: the user says no.
        ScenescopeError: nobody can be asked.
    """
    try:
        agreed = typer.confirm(question)
    except typer.Abort:
        from scenescope.models.errors import ScenescopeError

        raise ScenescopeError(otherwise, hint="Nobody could be asked: add --yes if you agree.") from None
    if not agreed:
        print(otherwise)
        raise typer.Exit(EXIT_NOT_DONE)


def _print_findings(findings: Any) -> None:
    from scenescope.app import listing

    rows = [[one.field, _short(one.value), f"{one.confidence:.0%}", one.why] for one in findings]
    listing.table("", ["What", "Guess", "Sure", "Why"], rows)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


class _Told:
    """How far a download is, on stderr: a bar in a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._said_s = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        in_terminal = sys.stderr.isatty()
        if time.monotonic() - self._said_s < (BAR_EVERY_S if in_terminal else LINE_EVERY_S):
            return
        self._said_s = time.monotonic()
        if not in_terminal:
            print(progress.text(), file=sys.stderr, flush=True)
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[words]}")
            self._bar = Bar(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
            self._task = self._bar.add_task("", total=None, words="")
            self._bar.start()
        self._bar.update(
            self._task,
            total=progress.size_bytes or None,
            completed=progress.done_bytes,
            description=progress.file,
            words=progress.text(),
            refresh=True,
        )

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
