"""Participants and their answers in SQLite: everything is on the disk before it is acknowledged.

A trial is open until it is shown, then shown until it is answered or lost. Of a participant's trials, the first that is
neither answered nor lost is the current one, and only of that one are the pictures given out.
"""

import csv
import io
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from media import atomic
from serving.user_test.schedule import Trial
from zoo.errors import ColorzooError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS participants (
    id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, age_group TEXT, consented TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS trials (
    id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, participant INTEGER NOT NULL REFERENCES participants (id),
    number INTEGER NOT NULL, photograph INTEGER NOT NULL, preset TEXT, artificial_first INTEGER NOT NULL,
    shown TEXT, lost TEXT, answered TEXT, chose_first INTEGER, first_ms REAL, second_ms REAL, response_ms REAL
);
CREATE INDEX IF NOT EXISTS trials_of_participants ON trials (participant);
"""
# All columns of an answer that a report needs; the secrets stay in the database.
_EXPORT = """
SELECT participants.id AS participant, age_group, number AS trial, preset IS NULL AS practice, preset, photograph,
    artificial_first, chose_first, chose_first <> artificial_first AS fooled, lost IS NOT NULL AS lost,
    first_ms, second_ms, response_ms, answered
FROM trials JOIN participants ON participants.id = participant
WHERE shown IS NOT NULL ORDER BY participants.id, number, trials.id
"""
_OPEN = "answered IS NULL AND lost IS NULL"


class UnknownParticipantError(ColorzooError):
    """Nobody has this token."""


class WrongMomentError(ColorzooError):
    """Something is said of a trial that is not the current one, or not yet shown, or shown already."""


@dataclass(frozen=True)
class Current:
    """The trial that a participant is at.

    Attributes:
        token: Names its pictures.
        shown: Whether the participant has seen them, so that only the answer is wanting.
    """

    trial: Trial
    token: str
    shown: bool


@dataclass(frozen=True)
class Timing:
    """How long the two pictures were on the screen, and how long the answer took, in milliseconds."""

    first: float
    second: float
    response: float


@dataclass(frozen=True)
class Outcomes:
    """What all participants answered.

    Attributes:
        fooled: For each preset, whether the original was taken for the artificial picture, by those who completed.
        completed, begun: Number of participants.
        lost: Number of trials of those who completed that were interrupted, and of which nothing counts.
        shown: How long pictures were on the screen in the trials that count, in milliseconds.
    """

    fooled: dict[str, list[bool]]
    completed: int
    begun: int
    lost: int
    shown: list[float]


class Store:
    """The file of the results; safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as database:
            for statement in _SCHEMA.split(";"):
                database.execute(statement)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, one at a time."""
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as database:
            database.row_factory = sqlite3.Row
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def add_participant(self, trials: Sequence[Trial], age_group: str | None) -> str:
        """Begin with somebody who has consented -> the token that names this participant."""
        token = secrets.token_urlsafe()
        with self._transaction() as database:
            done = database.execute(
                "INSERT INTO participants (token, age_group, consented) VALUES (?, ?, ?)", (token, age_group, _now())
            )
            assert done.lastrowid is not None
            for trial in trials:
                _insert(database, done.lastrowid, trial)
        return token

    def current(self, token: str) -> Current | None:
        """Where a participant is, or None at the end.

        Raises:
            UnknownParticipantError: nobody has this token.
        """
        with self._transaction() as database:
            row = _current(database, _participant(database, token))
        return None if row is None else Current(_trial(row), row["token"], row["shown"] is not None)

    def trial(self, token: str) -> Trial | None:
        """The trial with the token of its pictures, as long as it is current and not shown."""
        with self._transaction() as database:
            row = database.execute("SELECT * FROM trials WHERE token = ?", (token,)).fetchone()
            current = None if row is None else _current(database, row["participant"])
        if current is None or current["id"] != row["id"] or row["shown"] is not None:
            return None
        return _trial(row)

    def show(self, token: str, number: int) -> None:
        """Note that the pictures of the current trial are being shown, after which they are not given out again.

        Raises:
            UnknownParticipantError: nobody has this token.
            WrongMomentError: it is not the current trial, or it was shown before.
        """
        with self._transaction() as database:
            row = _expect(database, token, number, shown=False)
            database.execute("UPDATE trials SET shown = ? WHERE id = ?", (_now(), row["id"]))

    def answer(self, token: str, number: int, chose_first: bool, timing: Timing | None) -> Trial:
        """Note which picture was called artificial -> the trial that was answered.

        Args:
            timing: None if the page was loaded anew in between.

        Raises:
            UnknownParticipantError: nobody has this token.
            WrongMomentError: it is not the current trial, or was not shown.
        """
        times = (None, None, None) if timing is None else (timing.first, timing.second, timing.response)
        with self._transaction() as database:
            row = _expect(database, token, number, shown=True)
            database.execute(
                "UPDATE trials SET answered = ?, chose_first = ?, first_ms = ?, second_ms = ?, response_ms = ? "
                "WHERE id = ?",
                (_now(), chose_first, *times, row["id"]),
            )
        return _trial(row)

    def lose(self, token: str, number: int, redraw: Callable[[Trial, set[int]], Trial | None]) -> None:
        """Note that a showing was interrupted, and put another trial in its place.

        Args:
            redraw: From the lost trial and the numbers of all photographs of this participant to the other trial, or
                to None if there is none.

        Raises:
            UnknownParticipantError: nobody has this token.
            WrongMomentError: it is not the current trial, or was not shown.
        """
        with self._transaction() as database:
            row = _expect(database, token, number, shown=True)
            database.execute("UPDATE trials SET lost = ? WHERE id = ?", (_now(), row["id"]))
            of_participant = (row["participant"],)
            found = database.execute("SELECT photograph FROM trials WHERE participant = ?", of_participant)
            other = redraw(_trial(row), {photograph for (photograph,) in found})
            if other is not None:
                _insert(database, row["participant"], other)

    def score(self, token: str) -> tuple[int, int]:
        """In how many trials a participant found the artificial picture, and in how many there were; without practice.

        Raises:
            UnknownParticipantError: nobody has this token.
        """
        with self._transaction() as database:
            found, count = database.execute(
                "SELECT ifnull(sum(chose_first = artificial_first), 0), count(*) FROM trials "
                "WHERE participant = ? AND preset IS NOT NULL AND answered IS NOT NULL",
                (_participant(database, token),),
            ).fetchone()
        return found, count

    def outcomes(self, presets: Sequence[str]) -> Outcomes:
        """What those participants answered who have completed the experiment; practice does not count."""
        rows, begun, completed = self._rows()
        own = [row for row in rows if row["participant"] in completed and not row["practice"]]
        counted = [row for row in own if not row["lost"]]
        return Outcomes(
            fooled={preset: [bool(row["fooled"]) for row in counted if row["preset"] == preset] for preset in presets},
            completed=len(completed),
            begun=begun,
            lost=len(own) - len(counted),
            shown=[row[name] for row in counted for name in ("first_ms", "second_ms") if row[name] is not None],
        )

    def write_trials(self, path: Path, photographs: Sequence[str]) -> None:
        """Write each trial that was shown, at least one, as a row of a CSV file, practice and lost ones marked as such.

        Args:
            photographs: Their paths, by number.
        """
        rows, _, completed = self._rows()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*rows[0].keys(), "completed"])
        for row in rows:
            values = dict(row) | {"photograph": photographs[row["photograph"]]}
            writer.writerow([*values.values(), int(row["participant"] in completed)])
        atomic.write_text(path, text.getvalue())

    def _rows(self) -> tuple[list[sqlite3.Row], int, set[int]]:
        """The trials that were shown, the number of participants, and those of them who have completed."""
        with self._transaction() as database:
            rows = database.execute(_EXPORT).fetchall()
            everybody = {number for (number,) in database.execute("SELECT id FROM participants")}
            waiting = {number for (number,) in database.execute(f"SELECT participant FROM trials WHERE {_OPEN}")}
        return rows, len(everybody), everybody - waiting


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _insert(database: sqlite3.Connection, participant: int, trial: Trial) -> None:
    database.execute(
        "INSERT INTO trials (token, participant, number, photograph, preset, artificial_first) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            secrets.token_urlsafe(),
            participant,
            trial.number,
            trial.photograph,
            trial.preset,
            trial.artificial_first,
        ),
    )


def _participant(database: sqlite3.Connection, token: str) -> int:
    row = database.execute("SELECT id FROM participants WHERE token = ?", (token,)).fetchone()
    if row is None:
        raise UnknownParticipantError("no participant has this token: begin anew")
    number: int = row["id"]
    return number


def _current(database: sqlite3.Connection, participant: int) -> sqlite3.Row | None:
    row: sqlite3.Row | None = database.execute(
        f"SELECT * FROM trials WHERE participant = ? AND {_OPEN} ORDER BY number LIMIT 1", (participant,)
    ).fetchone()
    return row


def _expect(database: sqlite3.Connection, token: str, number: int, *, shown: bool) -> sqlite3.Row:
    """The current trial, if it is this one and in this state."""
    row = _current(database, _participant(database, token))
    if row is None or row["number"] != number or (row["shown"] is not None) != shown:
        state = "shown" if shown else "to be shown"
        raise WrongMomentError(f"trial {number} is not {state} now: ask for the current one")
    return row


def _trial(row: sqlite3.Row) -> Trial:
    return Trial(row["number"], row["photograph"], row["preset"], bool(row["artificial_first"]))
