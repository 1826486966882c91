"""A table on disk that grows: an Arrow stream while it is written, a Parquet file afterwards."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import DamagedRecording
from workbench.recording.layout import check_schema


class StreamFile:
    """One Arrow IPC stream, appended to batch by batch.

    Parameters
    ----------
    path : Path
        A new file; one that exists is not touched.
    schema : pyarrow.Schema
        Of every batch.

    Raises
    ------
    OSError
        If it cannot be made or written, here and in `append`.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self.size_bytes = 0
        self._pending = io.BytesIO()
        self._file = path.open("xb", buffering=0)
        self._writer: Any = pa.ipc.new_stream(self._pending, schema)
        self._write_out()

    def append(self, columns: dict[str, list[Any]]) -> None:
        """Writes one batch; the system has all of it when this returns."""
        self._writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=self.schema))
        self._write_out()

    def close(self) -> None:
        """Ends the stream."""
        if not self._file.closed:
            try:
                self._writer.close()
                self._write_out()
            finally:
                self._file.close()

    def _write_out(self) -> None:
        content = self._pending.getbuffer()
        rest = memoryview(content)
        try:
            while rest:
                written = self._file.write(rest)
                self.size_bytes += written
                rest = rest[written:]
        finally:
            rest.release()
            content.release()
            self._pending.seek(0)
            self._pending.truncate()


def read_stream(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """A stream's schema and whole batches, however it ends.

    Raises
    ------
    DamagedRecording
        If not even its schema is whole, or it is no such stream.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DamagedRecording(f"{path} cannot be read ({error.strerror})") from error
    try:
        reader = pa.ipc.open_stream(file)
        check_schema(reader.schema, path)
    except (pa.ArrowException, OSError, EOFError) as error:
        file.close()
        raise DamagedRecording(f"{path} is no stream of a session ({_brief(error)})") from None
    except BaseException:
        file.close()
        raise
    return reader.schema, _read_batches(reader, file)


def _read_batches(reader: Any, file: io.BufferedReader) -> Iterator[pa.RecordBatch]:
    with file:
        while True:
            try:
                batch = reader.read_next_batch()
                batch.validate(full=True)
            except (StopIteration, pa.ArrowException, OSError, EOFError):
                return  # the end, or where it was cut
            yield batch


def read_parquet(path: Path) -> pa.Table:
    """A finished table.

    Raises
    ------
    DamagedRecording
        If it was cut short or is something else.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedRecording(
            f"{path} cannot be read: it was cut short or is damaged ({_brief(error)})"
        ) from None
    check_schema(table.schema, path)
    return table


def join_batches(
    schema: pa.Schema, parts: Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]
) -> Iterator[pa.RecordBatch]:
    """Batches of several streams under one schema; a column a stream did not have yet is empty."""
    for _, batches in parts:
        for batch in batches:
            arrays = [
                batch.column(field.name)
                if field.name in batch.schema.names
                else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def write_parquet(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Writes a table beside its place and moves it there, so that a file of that name is a whole one.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left of it.
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
