"""A recorded session, opened: its samples, events and changes as tables, finished or not."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.display import Displayed
from workbench.errors import DamagedSession, WorkbenchError
from workbench.processes import Run
from workbench.sessions.changes import Change
from workbench.sessions.facts import SessionFacts, read_facts
from workbench.sessions.history import HistoryView
from workbench.sessions.layout import (
    FACTS_FILE,
    SCHEMAS,
    SUFFIX,
    check_fields,
    name_sample_column,
    read_columns,
    join_batches,
    read_parquet,
    read_stream_schema,
)
from workbench.sessions.recorder import Column
from workbench.sessions.store import default_folder, list_streams
from workbench.table import Table

if TYPE_CHECKING:
    import pandas as pd


# Of a path in an error message.
SHOWN_PATH = 300


class Session(Displayed):
    """A recording that is only read. Made by `open`; what is still being written is read as far as it is.

    Its tables are read when they are first asked for, and raise DamagedSession if their file was cut short
    or is none.

    Parameters
    ----------
    path : Path
        Its folder.
    facts : SessionFacts
        What ran, where, and how it ended.
    """

    def __init__(self, path: Path, facts: SessionFacts) -> None:
        self.path = path
        self.facts = facts

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Session:
        """Open a recording by its folder.

        Raises
        ------
        DamagedSession, WrongRecordingVersion
            If it is none, its facts cannot be read, or a newer workbench wrote it.
        """
        try:
            folder = Path(path).absolute()
            if folder.name == FACTS_FILE:
                folder = folder.parent
            is_there = folder.is_dir()
        except (TypeError, ValueError, OSError):  # no path at all, or one that cannot be
            is_there = False
        if not is_there:
            shown = str(path) if len(str(path)) < SHOWN_PATH else f"{str(path)[:SHOWN_PATH]}…"
            raise DamagedSession(f"there is no session {shown!r}; `workbench sessions` lists them")
        return cls(folder, read_facts(folder))

    @property
    def name(self) -> str:
        """Name of its folder, without the ending."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def spec(self) -> Run | None:
        """What our run was asked to do; None for a process that was attached to."""
        return self.facts.spec

    @property
    def size_bytes(self) -> int:
        """Size of all its files."""
        return sum(file.stat().st_size for file in self.path.iterdir() if file.is_file())

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row a sample, indexed by `time_s`: `operations` and every line of the charts."""
        frame: pd.DataFrame = self._read("samples").to_pandas()
        return frame.set_index("time_s")

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row an event, in order, with the thread's count of operations."""
        frame: pd.DataFrame = self._read("events").to_pandas()
        return frame

    @cached_property
    def changes(self) -> pd.DataFrame:
        """One row a tunable and set: who, what, old and new, seconds and count of operations."""
        import pandas as pd

        frame: pd.DataFrame = self._read("changes").to_pandas()
        frame["operations"] = frame["operations"].astype("Int64")
        try:
            for side in ("before", "after"):
                # As objects: among real numbers a whole one would become real.
                frame[side] = pd.Series([json.loads(text) for text in frame[side]], dtype=object)
        except (TypeError, ValueError) as error:
            raise DamagedSession(f"{self.path}: the changes hold a value that is none ({error})") from None
        return frame

    @cached_property
    def columns(self) -> list[Column]:
        """What the lines of the samples are."""
        return read_columns(self._read("samples").schema, self.path)

    def history(self) -> HistoryView:
        """The samples as charts want them."""
        lines = self.samples[[name_sample_column(column) for column in self.columns]]
        keys = tuple(column.key for column in self.columns)
        return HistoryView(lines.index.to_numpy(float), lines.to_numpy(float), keys)

    def steps(self) -> list[Change]:
        """The changes as values, oldest first; each set is one."""
        found: dict[int, Change] = {}
        values = zip(self.changes["before"], self.changes["after"], strict=True)
        for row, (old, new) in zip(self._read("changes").to_pylist(), values, strict=True):
            name, number = str(row["tunable"]), int(row["number"])
            known = found.get(number)
            found[number] = Change(
                number,
                float(row["time_s"]),
                str(row["cause"]),
                {**(known.before if known else {}), **({} if old is None else {name: old})},
                {**(known.after if known else {}), name: new},
                operations=row["operations"],
                is_exact=bool(row["is_exact"]),
            )
        return list(found.values())

    @property
    def operations(self) -> int | None:
        """Operations of the workload at the end, or as far as it is known."""
        if self.facts.operations is not None:
            return self.facts.operations
        known = self.samples["operations"].dropna()
        return int(known.iloc[-1]) if len(known) else None

    def to_table(self) -> Table:
        """A row a set of tunables, with when and by whom."""
        facts = self.facts
        rows = [
            (
                f"{step.time_s:.1f}",
                "" if step.operations is None else f"{step.operations:,}",
                step.cause,
                ", ".join(f"{name} = {value}" for name, value in step.after.items()),
            )
            for step in self.steps()
        ]
        return Table(
            ("time (s)", "operations", "cause", "set"),
            rows,
            right=("time (s)", "operations"),
            wrapped=("set",),
            caption=f"{facts.subject}, {facts.started}, {facts.status or 'unfinished'}: {len(self.samples)} samples, "
            f"{len(self.events)} events, {len(rows)} changes",
            notes=[f"{note.time_s:.1f} s: {note.text}" for note in facts.notes],
        )

    def _read(self, table: str) -> pa.Table:
        tables = self.__dict__.setdefault("_tables", {})
        if table not in tables:
            try:
                tables[table] = check_fields(self._read_anew(table), SCHEMAS[table], self.path)
            except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
                reason = str(error).partition("\n")[0]
                raise DamagedSession(f"{self.path}: the {table} are damaged ({reason})") from None
        return tables[table]

    def _read_anew(self, table: str) -> pa.Table:
        finished = self.path / f"{table}.parquet"
        streams = list_streams(self.path, table)
        if finished.exists():
            try:
                return read_parquet(finished)
            except DamagedSession:
                if not streams:  # else it was cut while it was made from them
                    raise
        schemas = []
        for path in streams:
            try:
                schemas.append(read_stream_schema(path))
            except DamagedSession:
                # The newest may have been cut before its schema was whole.
                if path != streams[-1]:
                    raise
        if not schemas:
            if self.facts.is_complete and not streams and table != "samples":
                raise DamagedSession(f"{self.path} has no {table}; a file of it is missing")
            return SCHEMAS[table].empty_table()
        schema = max(schemas, key=len)
        return pa.Table.from_batches(list(join_batches(schema, streams[: len(schemas)])), schema=schema)

    def __repr__(self) -> str:
        return f"<Session {self.name}: {self.facts.subject}, {self.facts.status or 'unfinished'}>"


def find_sessions(folder: Path | None = None) -> list[Session]:
    """The sessions in a folder, newest first; what cannot be opened is left out."""
    folder = default_folder() if folder is None else folder
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            found.append(Session.open(path))
        except WorkbenchError:
            continue
    return sorted(found, key=lambda session: (session.facts.started, session.name), reverse=True)
