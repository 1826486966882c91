"""Writes a session to disk as it happens. What cannot be written ends the recording, not the session."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.control import EventBatch
from workbench.errors import WorkbenchError
from workbench.processes import Outcome
from workbench.sessions.changes import Change
from workbench.sessions.facts import Note, SessionFacts, write_facts
from workbench.sessions.layout import (
    SUFFIX,
    SCHEMAS,
    make_samples_schema,
    name_sample_column,
    StreamFile,
    join_batches,
    read_stream_schema,
    write_parquet,
)
from workbench.sessions.recorder import Column, RecordedProbe, Sample

FLUSH_INTERVAL_S = 1.0
FOLDER_VARIABLE = "WORKBENCH_SESSIONS"
_FORMER_VARIABLE = "HAKMEM_RECORDINGS"
# A day of samples and busy events; a session that is forgotten must not fill a disk.
MAXIMUM_BYTES = 4 << 30
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def default_folder() -> Path:
    """Where sessions are kept: WORKBENCH_SESSIONS, else `sessions` in the working directory.

    The names of an earlier version, HAKMEM_RECORDINGS and `recordings`, count where the new ones are absent.
    """
    given = os.environ.get(FOLDER_VARIABLE) or os.environ.get(_FORMER_VARIABLE)
    has_former = Path("recordings").is_dir() and not Path("sessions").exists()
    return Path(given or ("recordings" if has_former else "sessions")).absolute()


class SessionWriter:
    """One recording that is being written; used by one thread.

    Nothing here raises an error of the disk: `problem` says in one line why recording ended early.

    Parameters
    ----------
    folder : Path
        Where the recording's own folder is made.
    facts : SessionFacts
        What is known at the start.
    start_s : float
        Monotonic time that counts as 0.
    name : str
        Name of the session's folder, without its ending; by default date, time and subject.
    maximum_bytes : int
        The recording ends when its streams are as large.
    """

    def __init__(
        self,
        folder: Path,
        facts: SessionFacts,
        start_s: float,
        name: str = "",
        maximum_bytes: int = MAXIMUM_BYTES,
    ) -> None:
        self.facts = self._written_facts = facts
        self.problem = ""
        self.path = folder / f"{name or _choose_name(facts)}{SUFFIX}"
        self._start_s = start_s
        self._maximum_bytes = maximum_bytes
        self._samples: list[Sample] = []
        self._rows: dict[str, list[dict[str, Any]]] = {"events": [], "changes": []}
        self._columns: dict[str, Column] = {}
        self._probes: dict[str, RecordedProbe] = {}
        self._streams: dict[str, StreamFile] = {}
        self._closed_bytes = 0
        self._segment_count = 0
        self._next_flush_s = 0.0
        self._is_closed = False
        with self._guard():
            self.path = _make_folder(self.path)
            write_facts(self.path, facts)
            for table in self._rows:
                self._streams[table] = StreamFile(self.path / f"{table}.arrows", SCHEMAS[table])

    @property
    def is_recording(self) -> bool:
        """Whether what is added still reaches the disk."""
        return not self._is_closed and not self.problem

    @property
    def size_bytes(self) -> int:
        """Written so far, in bytes."""
        return self._closed_bytes + sum(stream.size_bytes for stream in self._streams.values())

    def add_sample(self, sample: Sample, columns: Iterable[Column]) -> None:
        """Adds a row; `columns` describes every line there is."""
        if self.is_recording:
            self._columns = {column.key: column for column in columns} | self._columns
            self._probes |= {probe.name: probe for probe in sample.probes}
            self._samples.append(sample)

    def add_note(self, time_s: float, text: str) -> None:
        """Adds a note of a person."""
        self.facts = replace(self.facts, notes=(*self.facts.notes, Note(time_s, text)))

    def add_events(self, batch: EventBatch) -> None:
        """Adds what the allocator's control block told."""
        if self.is_recording:
            self.facts = replace(self.facts, lost_events=self.facts.lost_events + batch.lost)
            self._rows["events"] += [
                {name: getattr(event, name) for name in SCHEMAS["events"].names}
                | {"time_s": event.time_s - self._start_s}
                for event in batch
            ]

    def add_changes(self, changes: Iterable[Change]) -> None:
        """Adds sets of tunables, each with every value that it changed."""
        if self.is_recording:
            self._rows["changes"] += [
                {
                    "number": change.number,
                    "time_s": change.time_s - self._start_s,
                    "operations": change.operations,
                    "is_exact": change.is_exact,
                    "cause": change.cause,
                    "tunable": name,
                    "before": json.dumps(change.before.get(name)),
                    "after": json.dumps(value),
                }
                for change in changes
                for name, value in change.after.items()
            ]

    def flush(self, *, is_now: bool = False) -> None:
        """Writes what came since, once a second; at once if told so."""
        now_s = time.monotonic()
        if not self.is_recording or (now_s < self._next_flush_s and not is_now):
            return
        self._next_flush_s = now_s + FLUSH_INTERVAL_S
        with self._guard():
            self.facts = replace(self.facts, probes=tuple(self._probes.values()))
            if self.facts != self._written_facts:
                write_facts(self.path, self.facts)
                self._written_facts = self.facts
            self._write_samples()
            for table, rows in self._rows.items():
                if rows:
                    self._streams[table].append(rows)
                    rows.clear()
            if self.size_bytes > self._maximum_bytes:
                self._stop(
                    f"it is {self.size_bytes >> 20} MiB large, its limit is {self._maximum_bytes >> 20}"
                )

    def close(self, outcome: Outcome | None = None, *, status: str = "", note: str = "") -> None:
        """Writes the rest and how it ended, and makes the streams Parquet. Can be called again.

        Parameters
        ----------
        outcome : Outcome, optional
            What came of a run of our own.
        status, note : str
            The same for what has no outcome.
        """
        if self._is_closed:
            return
        self.flush(is_now=True)
        was_recording = self.is_recording
        self._is_closed = True
        if outcome is not None:
            status, note = outcome.status, outcome.message
            self.facts = replace(self.facts, operations=outcome.operations, elapsed_s=outcome.elapsed_s)
        if self.problem:
            note = f"{note}; {self.problem}".lstrip("; ")
        self.facts = replace(self.facts, status=status or "ended", note=note)
        with self._guard():
            for stream in self._streams.values():
                stream.close()
            if self.path.is_dir():
                write_facts(self.path, self.facts)
            if was_recording:
                finish_tables(self.path)

    def _write_samples(self) -> None:
        samples, self._samples = self._samples, []
        if not samples:
            return
        columns = list(self._columns.values())
        stream = self._streams.get("samples")
        if stream is None or len(stream.schema) != len(columns) + 2:
            if stream is not None:
                stream.close()
                self._closed_bytes += stream.size_bytes
            path = self.path / f"samples-{self._segment_count:03d}.arrows"
            self._segment_count += 1
            stream = self._streams["samples"] = StreamFile(path, make_samples_schema(columns))
        names = {name_sample_column(column): column.key for column in columns}
        stream.append(
            [
                {"time_s": sample.time_s, "operations": sample.operations}
                | {name: sample.values.get(key) for name, key in names.items()}
                for sample in samples
            ]
        )

    # --- what goes wrong ---

    @contextlib.contextmanager
    def _guard(self) -> Any:
        try:
            yield
        except (OSError, pa.ArrowException, WorkbenchError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._stop(reason)

    def _stop(self, reason: str) -> None:
        if not self.problem:
            self.problem = f"recording ended: {self.path}: {reason}; the session goes on"
        for stream in self._streams.values():
            # What is written is kept; closing may need room that there is not.
            with contextlib.suppress(OSError, pa.ArrowException):
                stream.close()


def finish_tables(folder: Path) -> None:
    """Makes each table of a recording Parquet, and takes its streams away once that is done.

    If a table cannot be read or written, that raises OSError or WorkbenchError, and its streams stay.
    """
    for table in SCHEMAS:
        paths = list_streams(folder, table)
        if not paths:
            continue
        schemas = [read_stream_schema(path) for path in paths]
        # Columns only ever come: the last stream has all.
        schema = max(schemas, key=len)
        write_parquet(folder / f"{table}.parquet", schema, join_batches(schema, paths))
        for path in paths:
            path.unlink()


def list_streams(folder: Path, table: str) -> list[Path]:
    """Streams of a table, oldest first."""
    return sorted([*folder.glob(f"{table}.arrows"), *folder.glob(f"{table}-*.arrows")])


def _choose_name(facts: SessionFacts) -> str:
    date = facts.started.replace("-", "").replace(":", "").replace("T", "-").rstrip("Z")
    return f"{date}-{_UNSAFE.sub('-', facts.subject).strip('-')[:60]}"


def _make_folder(wanted: Path) -> Path:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    stem = wanted.name.removesuffix(SUFFIX)
    for number in range(1, 10_000):
        path = wanted if number == 1 else wanted.with_name(f"{stem}-{number}{SUFFIX}")
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise FileExistsError(17, "too many recordings of that name", str(wanted))
