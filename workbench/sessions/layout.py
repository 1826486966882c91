"""A recording on disk: one folder, readable at any moment while it is written; its tables read and written.

    <name>.session/
      session.json          version, what ran, where, and (once it ended) how
      samples-000.arrows    one row a sample; a further file whenever a new column came
      events.arrows         what the allocator's control block told, with each thread's count of operations
      changes.arrows        every set of tunables: who, what, old and new, time and operations

While a session runs the tables are Arrow IPC streams, written on every second: a reader takes the whole
record batches and leaves what was cut off. At the end each becomes one Parquet file (samples.parquet ...)
and its streams go. Every file carries the version; nothing in them is executed when read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import DamagedSession, WrongRecordingVersion
from workbench.sessions.recorder import Column
from workbench.units import name_column

VERSION = 1
SUFFIX = ".session"
FACTS_FILE = "session.json"
# Keys of a table's metadata.
_VERSION_KEY = b"hakmem.session.version"
_COLUMNS_KEY = b"hakmem.session.columns"

EVENTS_SCHEMA = pa.schema(
    [
        ("time_s", pa.float64()),
        ("operation", pa.int64()),
        ("thread", pa.int64()),
        ("kind", pa.string()),
        ("cause", pa.string()),
        ("item", pa.string()),
        ("unit", pa.string()),
        ("old_value", pa.float64()),
        ("new_value", pa.float64()),
    ],
    metadata={_VERSION_KEY: str(VERSION)},
)
# One row a tunable; those of one set have the same number. Values are JSON, for they have several types.
CHANGES_SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("time_s", pa.float64()),
        ("operations", pa.int64()),
        ("is_exact", pa.bool_()),
        ("cause", pa.string()),
        ("tunable", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
    ],
    metadata={_VERSION_KEY: str(VERSION)},
)


def make_samples_schema(columns: Iterable[Column]) -> pa.Schema:
    """Schema of samples with these lines; their descriptions travel in its metadata."""
    listed = list(columns)
    fields = [("time_s", pa.float64()), ("operations", pa.int64())]
    fields += [(name_sample_column(column), pa.float64()) for column in listed]
    descriptions = json.dumps([asdict(column) for column in listed])
    return pa.schema(fields, metadata={_VERSION_KEY: str(VERSION), _COLUMNS_KEY: descriptions})


def name_sample_column(column: Column) -> str:
    """Such as 'tls.capacity_slots C4': the metric with its unit, and the item."""
    return f"{name_column(column.metric, column.unit)} {column.item}".rstrip()


#: The tables, and the columns that each must have.
SCHEMAS = {"samples": make_samples_schema([]), "events": EVENTS_SCHEMA, "changes": CHANGES_SCHEMA}


def read_columns(schema: pa.Schema, path: Path) -> list[Column]:
    """Descriptions of the lines in samples; DamagedSession if they are not what `make_samples_schema` writes."""
    try:
        described = json.loads((schema.metadata or {})[_COLUMNS_KEY])
        columns = [Column(**description) for description in described]
        if not all(isinstance(column.key, str) for column in columns):
            raise TypeError("a column without a name")
        for column in columns:
            if schema.names.count(name_sample_column(column)) != 1:
                raise ValueError(f"{column.key} is not among them")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedSession(f"{path} does not describe its columns ({error}); it is damaged") from None
    return columns


def check_schema(schema: pa.Schema, path: Path) -> None:
    """Refuse a table by its version, as `check_version`."""
    check_version((schema.metadata or {}).get(_VERSION_KEY, ""), path)


def check_version(version: object, path: Path) -> None:
    """Refuse what was written by a newer workbench.

    Raises
    ------
    WrongRecordingVersion
        If its version is above this one's.
    DamagedSession
        If it has none.
    """
    text = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
    if not text.isdecimal():
        raise DamagedSession(f"{path} has no version; it is no recording of a session, or damaged")
    if int(text) > VERSION:
        raise WrongRecordingVersion(
            f"{path} was recorded by a newer workbench "
            f"(format {text}, known here: {VERSION}); update this one"
        )


def check_fields(table: pa.Table, wanted: pa.Schema, path: Path) -> pa.Table:
    """The table, if it has the columns it must have and all others hold numbers; else DamagedSession."""
    for field in wanted:
        if table.schema.names.count(field.name) != 1 or table.schema.field(field.name).type != field.type:
            raise DamagedSession(f"{path}: there is no column {field.name} of {field.type}; it is damaged")
    for field in table.schema:
        if field.name not in wanted.names and field.type != pa.float64():
            raise DamagedSession(f"{path}: column {field.name!r} holds no numbers; it is damaged")
    return table


class StreamFile:
    """One Arrow IPC stream, appended to batch by batch.

    Parameters
    ----------
    path : Path
        A new file; one that exists is not touched.
    schema : pyarrow.Schema
        What every batch has.

    Raises
    ------
    OSError
        If it cannot be made or written, here and in `append`.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self.size_bytes = 0
        self._file = path.open("xb")
        self._writer: Any = pa.ipc.new_stream(self._file, schema)
        self._write_out()

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Writes rows as one batch; the system has all of it when this returns."""
        # Not from_pylist, which takes several times as long.
        columns = {name: [row.get(name) for row in rows] for name in self.schema.names}
        self._writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=self.schema))
        self._write_out()

    def close(self) -> None:
        """Ends the stream."""
        if not self._file.closed:
            with self._file:
                self._writer.close()

    def _write_out(self) -> None:
        self._file.flush()
        self.size_bytes = self._file.tell()


def read_stream_schema(path: Path) -> pa.Schema:
    """Columns of a stream, however it ends.

    Raises
    ------
    DamagedSession
        If not even these are whole, or it is no such stream.
    WrongRecordingVersion
        If a newer workbench wrote it.
    """
    with _open_stream(path) as reader:
        return reader.schema


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Whole batches of a stream, up to its end or to where it was cut; errors as `read_stream_schema`."""
    with _open_stream(path) as reader:
        while True:
            try:
                batch = reader.read_next_batch()
                batch.validate(full=True)
            except (StopIteration, pa.ArrowException, OSError, EOFError, ValueError, MemoryError):
                return
            yield batch


@contextlib.contextmanager
def _open_stream(path: Path) -> Iterator[Any]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise DamagedSession(f"{path} cannot be read ({error.strerror})") from error
    with file:
        try:
            reader = pa.ipc.open_stream(file)
            _ = reader.schema.names
        except (pa.ArrowException, OSError, EOFError, ValueError, MemoryError) as error:
            raise DamagedSession(f"{path} is no stream of a session ({_brief(error)})") from None
        check_schema(reader.schema, path)
        yield reader


def read_parquet(path: Path) -> pa.Table:
    """A finished table; DamagedSession if it was cut short or is something else."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DamagedSession(
            f"{path} cannot be read: it was cut short or is damaged ({_brief(error)})"
        ) from None
    check_schema(table.schema, path)
    return table


def join_batches(schema: pa.Schema, paths: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    """Batches of several streams under one schema; a column a stream did not have yet is empty."""
    for path in paths:
        for batch in read_batches(path):
            arrays = [
                batch.column(field.name)
                if field.name in batch.schema.names
                else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def write_parquet(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Writes a table beside its place and moves it there, so that a file of that name is a whole one.

    If it cannot be written, that is an OSError, and nothing is left of it.
    """
    unfinished = path.with_name(f".{path.name}.new")
    try:
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def _brief(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
