"""A table on disk that grows: an Arrow stream while it is written, a Parquet file afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import DamagedSession
from workbench.sessions.layout import check_schema


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
