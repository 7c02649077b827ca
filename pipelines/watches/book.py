"""WatchBook: the user's watches, kept in a file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml
from pydantic import ValidationError

from scenescope.models import SpecError
from scenescope.pipelines.scene_state import clean_text
from scenescope.pipelines.watches.rule import WatchRule

__all__ = ["MOST_WATCHES", "WatchBook"]

MOST_WATCHES = 50
FILE_VERSION = 1
MAX_FILE_BYTES = 1_000_000
MOST_KEPT_ASIDE = 99


class WatchBook:
    """The user's watches, kept in a YAML file. Safe to use from any thread.

    A file that is damaged, of another program or of a newer version is set aside, and nothing is lost: what can be read
    of it is taken over. Where the file cannot be written, the watches last until the program ends.

    Args:
        path: the file, read at once and written at every change; None keeps nothing.

    Attributes:
        notice: a sentence for the user when something is wrong with the file, with what to do; empty otherwise.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.notice = ""
        self._lock = threading.RLock()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._may_write = path is not None
        self._rules: dict[str, WatchRule] = {rule.name: rule for rule in self._read()}
        self._all = tuple(self._rules.values())

    @property
    def rules(self) -> tuple[WatchRule, ...]:
        """All of them, in the order in which they were made; the same object until something changes."""
        return self._all

    def get(self, name: str) -> WatchRule:
        """The rule with this name, however its letters' case.

        Raises:
            SpecError: there is none; the hint says which there are.
        """
        with self._lock:
            exact = self._rules.get(name)
            found = exact or next((r for r in self._rules.values() if r.name.casefold() == name.casefold()), None)
            names = ", ".join(f"'{known}'" for known in list(self._rules)[:8])
        if found is None:
            hint = f"There are {names}." if names else "There are no watches yet."
            raise SpecError(f"There is no watch called '{clean_text(name)}'.", hint=hint)
        return found

    def put(self, rule: WatchRule) -> WatchRule | None:
        """Add a rule, or replace the one with its name in its place; the one replaced.

        Raises:
            SpecError: there are as many as there may be.
        """
        with self._lock:
            before = self._rules.get(rule.name)
            if before is None and len(self._rules) >= MOST_WATCHES:
                raise SpecError(f"There are already {MOST_WATCHES} watches.", hint="Remove one first.")
            if before == rule:
                return before
            self._rules[rule.name] = rule
            self._write()
        self._tell()
        return before

    def remove(self, name: str) -> WatchRule:
        """Take a rule out; it is returned, so that it can be put back.

        Raises:
            SpecError: there is none of that name.
        """
        with self._lock:
            gone = self._rules.pop(self.get(name).name)
            self._write()
        self._tell()
        return gone

    def enable(self, name: str, on: bool) -> WatchRule:
        """Switch a rule on or off; it is returned as it was before.

        Raises:
            SpecError: there is none of that name.
        """
        before = self.get(name)
        self.put(before.model_copy(update={"enabled": on}))
        return before

    def restore(self, rules: Iterable[WatchRule]) -> None:
        """Have exactly these, in this order: undo of any change.

        Raises:
            SpecError: there are too many, or two have one name.
        """
        wanted = tuple(rules)
        by_name = {rule.name: rule for rule in wanted}
        if len(by_name) < len(wanted) or len(wanted) > MOST_WATCHES:
            raise SpecError(f"These are not at most {MOST_WATCHES} watches with names that differ.")
        with self._lock:
            self._rules = by_name
            self._write()
        self._tell()

    def free_name(self, wish: str) -> str:
        """``wish`` as a name, with a number when there is one of that name."""
        base = clean_text(wish, 50)
        taken = {rule.name.casefold() for rule in self.rules}
        names = (base if n == 1 else f"{base} {n}" for n in range(1, len(taken) + 2))
        return next(name for name in names if name.casefold() not in taken)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Be called after every change, on the thread that made it; what is returned ends that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    # The file ----------------------------------------------------------------------------------------------------

    def _read(self) -> list[WatchRule]:
        if self.path is None:
            return []
        try:
            if self.path.stat().st_size > MAX_FILE_BYTES:
                self._set_aside("is too large for a file of watches")
                return []
            content = yaml.safe_load(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except OSError as error:
            self._may_write = False
            self.notice = (
                f"The watches in {self.path} cannot be read ({error.strerror}), and new ones last until the program "
                "ends. Check who may read that file, and start again."
            )
            return []
        except (yaml.YAMLError, ValueError, RecursionError):
            self._set_aside("is damaged")
            return []
        if content is None:
            return []
        if not isinstance(content, dict) or not isinstance(content.get("watches"), list):
            self._set_aside("is not a file of watches")
            return []
        version = content.get("version", FILE_VERSION)
        if type(version) is not int or version > FILE_VERSION:
            self._set_aside("was written by a newer version of Scenescope")
            return []
        rules: dict[str, WatchRule] = {}
        for values in content["watches"]:
            try:
                rule = WatchRule.model_validate(values)
            except (ValidationError, RecursionError):
                continue
            if len(rules) < MOST_WATCHES:
                rules.setdefault(rule.name, rule)
        if lost := len(content["watches"]) - len(rules):
            self._set_aside(f"holds {lost} that cannot be used, of {len(content['watches'])}")
        return list(rules.values())

    def _set_aside(self, why: str) -> None:
        """Rename the file, so that the next change does not overwrite it."""
        assert self.path is not None
        first = self.path.with_name(self.path.name + ".damaged")
        others = (first.with_name(f"{first.name}-{number}") for number in range(2, MOST_KEPT_ASIDE + 1))
        aside = next((place for place in (first, *others) if not place.exists()), first)
        try:
            self.path.replace(aside)
            self.notice = (
                f"{self.path.name} {why}. It is kept as {aside}: mend it and rename it, or add the watches again."
            )
        except OSError as error:
            self._may_write = False
            self.notice = (
                f"{self.path} {why} and cannot be moved ({error.strerror}), so new watches last until the program "
                "ends. Move that file away, and start again."
            )

    def _write(self) -> None:
        """Replace the file in one step, so that a crash leaves the old or the new one whole."""
        self._all = tuple(self._rules.values())
        if self.path is None or not self._may_write:
            return
        content = {
            "version": FILE_VERSION,
            "watches": [rule.model_dump(mode="json", exclude_defaults=True) for rule in self._rules.values()],
        }
        scratch = self.path.with_name(self.path.name + ".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
            scratch.replace(self.path)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            self.notice = (
                f"The watches cannot be kept in {self.path.parent} ({error.strerror}) and last until the program ends. "
                "Make room, or see that the folder can be written to."
            )
        else:
            self.notice = ""
