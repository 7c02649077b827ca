"""Talk: what was said to and by the assistant, what it did, and what left this computer; in the file of the log."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from scenescope.models import SinkError
from scenescope.models.language import (
    Change,
    DiffLine,
    Evidence,
    Message,
    MessageKind,
    Proposal,
    ProposalState,
)
from scenescope.pipelines.log.changes import Changes
from scenescope.pipelines.log.readers import Readers
from scenescope.pipelines.log.writer import Job, LogWriter

__all__ = ["ActionRecord", "EgressRecord", "EgressTotal", "KeptConversation", "MessageHit", "Talk"]

MOST_QUERY_CHARS = 200
TITLE_CHARS = 60
ROWS_AT_ONCE = 1000

# What was done holds the user's words too. It goes on from the beginning of a conversation to that of the next.
_FORGET_ONE = (
    """DELETE FROM actions WHERE wall_s >= (SELECT min(wall_s) FROM messages WHERE conversation_id = ?1)
       AND wall_s < coalesce((SELECT min(wall_s) FROM messages WHERE conversation_id > ?1), 9e99)""",
    "DELETE FROM messages WHERE conversation_id = ?1",
    "DELETE FROM conversations WHERE id = ?1",
)
_FORGET_ALL = ("DELETE FROM actions", "DELETE FROM messages", "DELETE FROM conversations")


@dataclass(frozen=True)
class KeptConversation:
    """A conversation of now or earlier; its title is the first thing the user said in it."""

    id: int
    began_wall_s: float
    source: str
    title: str
    messages: int


@dataclass(frozen=True)
class MessageHit:
    """A message that fits a search; ``score`` is higher for a better one."""

    score: float
    conversation_id: int
    message: Message


@dataclass(frozen=True)
class ActionRecord:
    """A call of a tool, and what became of it: "ran", "proposed", "accepted", "dismissed", "refused", "undone".

    ``args`` is JSON; ``why`` a sentence where it was not simply done.
    """

    tool: str
    args: str
    risk: str
    outcome: str
    wall_s: float
    why: str = ""


@dataclass(frozen=True)
class EgressRecord:
    """What was sent to another computer: how many pictures of how many bytes in all, to whom, what for."""

    wall_s: float
    host: str
    reach: str
    pictures: int
    bytes: int
    purpose: str
    sha256: tuple[str, ...] = ()
    id: int = field(default=0, compare=False)


@dataclass(frozen=True)
class EgressTotal:
    """How much was sent in all: so many times, so many pictures, so many bytes."""

    sendings: int = 0
    pictures: int = 0
    bytes: int = 0


class Talk:
    """All methods may be called from any thread. What changes the file returns at once unless it says otherwise.

    Pictures of messages are not kept. Made by the :class:`~scenescope.pipelines.log.store.EventLog` as ``log.talk``.
    """

    def __init__(self, writer: LogWriter, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    # Conversations -----------------------------------------------------------------------------------------------

    def begin(self, source: str = "") -> int:
        """Begin a conversation; waits for its number.

        Raises:
            SinkError: nothing can be written now.
        """
        row = (time.time(), _storable(source))
        number: int = self._writer.ask(
            lambda changes: (
                changes.connection.execute(
                    "INSERT INTO conversations(began_wall_s, source) VALUES (?, ?)", row
                ).lastrowid
            )
        )
        return number

    def keep(self, conversation_id: int, messages: Iterable[Message], gone: Callable[[], None] | None = None) -> None:
        """Keep messages; one with the number of an earlier one takes its place.

        Where the conversation was forgotten nothing is kept, and ``gone`` is called, on the thread of the log.
        """
        rows = [(conversation_id, *_row(message)) for message in messages]

        def apply(changes: Changes) -> None:
            db = changes.connection
            if db.execute("SELECT 1 FROM conversations WHERE id = ?", (conversation_id,)).fetchone():
                db.executemany(
                    """INSERT INTO messages(conversation_id, number, kind, author, text, wall_s, body)
                       VALUES (?, ?, ?, ?, ?, ?, ?)
                       ON CONFLICT(conversation_id, number) DO UPDATE SET
                       kind = excluded.kind, author = excluded.author, text = excluded.text, body = excluded.body""",
                    rows,
                )
            elif gone is not None:
                changes.afterwards(gone)

        self._writer.put(Job(apply), may_wait=False)

    def conversations(self) -> list[KeptConversation]:
        """All that have messages, the newest first."""
        with self._readers.borrowed() as db:
            rows = db.execute(
                """SELECT c.id, c.began_wall_s, c.source, count(m.id),
                          (SELECT text FROM messages q WHERE q.conversation_id = c.id AND q.kind = 'question'
                           ORDER BY q.number LIMIT 1),
                          (SELECT text FROM messages q WHERE q.conversation_id = c.id ORDER BY q.number LIMIT 1)
                   FROM conversations c JOIN messages m ON m.conversation_id = c.id
                   GROUP BY c.id ORDER BY c.began_wall_s DESC, c.id DESC"""
            ).fetchall()
        return [
            KeptConversation(number, began_wall_s, source, _title(asked or said), count)
            for number, began_wall_s, source, count, asked, said in rows
        ]

    def messages(self, conversation_id: int) -> list[Message]:
        """What was said in a conversation, oldest first; without pictures, and with nothing left to decide or undo."""
        with self._readers.borrowed() as db:
            rows = db.execute(
                """SELECT number, kind, author, text, wall_s, body FROM messages
                   WHERE conversation_id = ? ORDER BY number""",
                (conversation_id,),
            ).fetchall()
        return [_message(row) for row in rows]

    def search(self, text: str, limit: int = 50) -> list[MessageHit]:
        """Messages with all these words, the best first; the last word may be a beginning."""
        words = re.findall(r"[^\W_]+", text[:MOST_QUERY_CHARS])
        if not words:
            return []
        match = " ".join(f'"{word}"' for word in words) + "*"
        with self._readers.borrowed() as db:
            rows = db.execute(
                """SELECT -rank, m.conversation_id, m.number, m.kind, m.author, m.text, m.wall_s, m.body
                   FROM message_words w JOIN messages m ON m.id = w.rowid
                   WHERE message_words MATCH ? ORDER BY rank, m.id DESC LIMIT ?""",
                (match, limit),
            ).fetchall()
        return [MessageHit(score, conversation_id, _message(rest)) for score, conversation_id, *rest in rows]

    def delete(self, conversation_id: int) -> None:
        """Forget a conversation, and what was done while it went on; as soon as the file can be written."""
        self._writer.put(Job(lambda changes: _wipe(changes, _FORGET_ONE, (conversation_id,))), may_wait=False)

    def forget_all(self) -> None:
        """Forget all conversations, and what was done; waits until that is written.

        Raises:
            SinkError: nothing can be written now.
        """
        self._writer.ask(lambda changes: _wipe(changes, _FORGET_ALL))

    def export(self, path: Path, conversation_ids: Sequence[int] = ()) -> None:
        """Write conversations, all of them by default, as JSON or, under any other ending, as Markdown.

        Raises:
            SinkError: the file cannot be written.
        """
        chosen = [one for one in self.conversations() if not conversation_ids or one.id in conversation_ids]
        talks = [(one, self.messages(one.id)) for one in reversed(chosen)]
        text = _as_json(talks) if path.suffix.lower() == ".json" else _as_markdown(talks)
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SinkError(f"{path} cannot be written: {error.strerror}.", hint="Choose another file.") from error

    # Actions and egress ------------------------------------------------------------------------------------------

    def add_action(self, record: ActionRecord) -> None:
        """Note a call of a tool."""
        row = (record.wall_s, record.tool, _storable(record.args), record.risk, record.outcome, _storable(record.why))
        self._run("INSERT INTO actions(wall_s, tool, args, risk, outcome, why) VALUES (?, ?, ?, ?, ?, ?)", [row])

    def actions(self, limit: int = 1000) -> list[ActionRecord]:
        """The latest calls, the newest first."""
        with self._readers.borrowed() as db:
            rows = db.execute(
                "SELECT tool, args, risk, outcome, wall_s, why FROM actions ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [ActionRecord(*row) for row in rows]

    def add_egress(self, record: EgressRecord) -> None:
        """Note what is about to be sent; waits until it is written, so that nothing leaves unnoted.

        Raises:
            SinkError: nothing can be written now.
        """
        row = (record.wall_s, record.host, record.reach, record.pictures, record.bytes, record.purpose)
        values = (*row, " ".join(record.sha256))
        self._writer.ask(
            lambda changes: (
                changes.connection.execute(
                    """INSERT INTO egress(wall_s, host, reach, pictures, bytes, purpose, sha256)
                   VALUES (?, ?, ?, ?, ?, ?, ?)""",
                    values,
                ).lastrowid
            )
        )

    def egress(self, limit: int = 1000) -> list[EgressRecord]:
        """What was sent, the newest first, at most so many."""
        return self._egress(math.inf, limit)

    def all_egress(self) -> Iterator[EgressRecord]:
        """All that was sent, the newest first, read little by little."""
        before = math.inf
        while some := self._egress(before, ROWS_AT_ONCE):
            yield from some
            before = some[-1].id

    def _egress(self, before: float, limit: int) -> list[EgressRecord]:
        with self._readers.borrowed() as db:
            rows = db.execute(
                """SELECT wall_s, host, reach, pictures, bytes, purpose, sha256, id FROM egress
                   WHERE id < ? ORDER BY id DESC LIMIT ?""",
                (before, limit),
            ).fetchall()
        return [
            EgressRecord(wall_s, host, reach, pictures, size, purpose, tuple(hashes.split()), number)
            for wall_s, host, reach, pictures, size, purpose, hashes, number in rows
        ]

    def egress_total(self) -> EgressTotal:
        """How much was sent in all."""
        with self._readers.borrowed() as db:
            row = db.execute("SELECT count(*), total(pictures), total(bytes) FROM egress").fetchone()
        return EgressTotal(*map(int, row))

    def clear_egress(self) -> None:
        """Forget what was sent, and what was done; waits until that is written.

        Raises:
            SinkError: nothing can be written now.
        """
        self._writer.ask(lambda changes: _wipe(changes, ("DELETE FROM egress", "DELETE FROM actions")))

    def _run(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        def apply(changes: Changes) -> None:
            changes.connection.executemany(sql, rows)

        self._writer.put(Job(apply), may_wait=False)


def _wipe(changes: Changes, statements: Sequence[str], values: tuple[int, ...] = ()) -> None:
    """Delete rows, so that their words are in no file any more."""
    db = changes.connection
    for sql in statements:
        db.execute(sql, values)
    db.execute("INSERT INTO message_words(message_words) VALUES ('rebuild')")
    changes.afterwards(lambda: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())


# Rows ------------------------------------------------------------------------------------------------------------


def _row(message: Message) -> tuple[Any, ...]:
    plain = replace(message, pictures=())
    body = {name: value for name, value in asdict(plain).items() if value not in ((), "", None, False)}
    for kept in ("message_id", "kind", "author", "text", "wall_s", "pictures", "doing"):
        body.pop(kept, None)
    text = json.dumps(body, ensure_ascii=True)
    return message.message_id, message.kind.value, message.author, _storable(message.text), message.wall_s, text


def _message(row: Sequence[Any]) -> Message:
    number, kind, author, text, wall_s, body = row
    content = json.loads(body)
    return Message(
        message_id=number,
        kind=MessageKind(kind),
        author=author,
        text=text,
        wall_s=wall_s,
        pts_s=content.get("pts_s"),
        evidence=tuple(Evidence(**one) for one in content.get("evidence", ())),
        hint=content.get("hint", ""),
        changes=tuple(
            Change(one["change_id"], one["title"], _lines(one), one["undone"], undoable=False)
            for one in content.get("changes", ())
        ),
        proposals=tuple(
            Proposal(one["proposal_id"], one["title"], one["why"], _lines(one), _decided(one["state"]))
            for one in content.get("proposals", ())
        ),
        notes=tuple(content.get("notes", ())),
        checked=content.get("checked", False),
    )


def _decided(state: str) -> ProposalState:
    return ProposalState.ACCEPTED if state == ProposalState.ACCEPTED else ProposalState.DISMISSED


def _lines(content: dict[str, Any]) -> tuple[DiffLine, ...]:
    return tuple(DiffLine(**line) for line in content["lines"])


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"


def _storable(text: str) -> str:
    """What a file of UTF-8 can hold: half characters of a broken decoder are none."""
    return text.encode("utf-8", "replace").decode()


# Files -----------------------------------------------------------------------------------------------------------


def _as_json(talks: list[tuple[KeptConversation, list[Message]]]) -> str:
    content = [
        {**asdict(talk), "messages": [{**asdict(message), "pictures": []} for message in messages]}
        for talk, messages in talks
    ]
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _as_markdown(talks: list[tuple[KeptConversation, list[Message]]]) -> str:
    parts = []
    for talk, messages in talks:
        began = datetime.fromtimestamp(talk.began_wall_s).strftime("%Y-%m-%d %H:%M")
        parts.append(f"# {_escaped(' · '.join(filter(None, (began, talk.source))))}\n")
        for message in messages:
            at = "".join(f" [{evidence}]" for evidence in message.evidence)
            notes = "".join(f"\n\n*{_escaped(note)}*" for note in (message.hint, *message.notes) if note)
            parts.append(f"**{_escaped(message.author)}** {_escaped(message.text)}{_escaped(at)}{notes}\n")
    return "\n".join(parts)


def _escaped(text: str) -> str:
    """Words from a picture must not become links or HTML where the file is shown."""
    return re.sub(r"([\\`*_{}\[\]()<>#|!&])", r"\\\1", text)
