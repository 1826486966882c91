"""The readers of traces and recordings, given any bytes: what must hold, and sound files to begin from."""

from __future__ import annotations

import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from workbench.errors import WorkbenchError
from workbench.processes import Run
from workbench.sessions import Change, Column, Sample, Session, SessionFacts, SessionWriter
from workbench.traces import Site, Trace, TraceChunk, TraceWriter
from workbench.traces.format import HEADER_BYTES, MAXIMUM_CHUNK_EVENTS, SECTION_BYTES

LONGEST_MESSAGE = 2000

_CRC = struct.Struct("<I")
# Payload length and checksum stand behind a section's kind.
_LENGTHS = struct.Struct("<II")

FOLDER = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())

# ---- what must hold ---------------------------------------------------------------------------------


def _check_message(error: WorkbenchError) -> None:
    text = str(error)
    assert text, "an error says nothing"
    assert "\n" not in text, f"an error of several lines: {text!r}"
    assert len(text) < LONGEST_MESSAGE, f"an error of {len(text)} characters"


def repair_checksums(data: bytes) -> bytes:
    """The same bytes with all checksums right, so that what they protect is reached."""
    repaired = bytearray(data)

    def sign(start: int, stop: int) -> None:
        repaired[stop : stop + _CRC.size] = _CRC.pack(zlib.crc32(repaired[start:stop]))

    if len(repaired) < HEADER_BYTES:
        return data
    sign(0, HEADER_BYTES - _CRC.size)
    offset = HEADER_BYTES
    while offset + SECTION_BYTES <= len(repaired):
        payload_bytes, _ = _LENGTHS.unpack_from(repaired, offset + 4)
        start = offset + SECTION_BYTES
        _CRC.pack_into(repaired, offset + 8, zlib.crc32(repaired[start : start + payload_bytes]))
        sign(offset, start - _CRC.size)
        offset = start + payload_bytes
    return bytes(repaired)


def read_trace(data: bytes) -> bool:
    """Whether a trace of these bytes could be opened; the last byte says if its checksums are mended first.

    Raises
    ------
    AssertionError
        If it is neither read as it promises nor refused in one line.
    """
    content = data[:-1] if data[-1:] != b"\x01" else repair_checksums(data[:-1])
    with tempfile.NamedTemporaryFile(dir=FOLDER, suffix=".haktrace") as file:
        file.write(content)
        file.flush()
        try:
            with Trace.open(file.name) as trace:
                assert repr(trace)
                assert trace.stored_bytes == len(content)
                assert trace.damage is None or trace.damage.startswith("at byte ")
                events = 0
                for chunk in trace.chunks():
                    assert 0 < len(chunk) <= MAXIMUM_CHUNK_EVENTS
                    events += len(chunk)
                assert events == trace.metadata.event_count
                trace.compute_checksum()
        except WorkbenchError as error:
            _check_message(error)
            return False
    return True


FILES = ("session.json", "samples-000.arrows", "events.arrows", "changes.arrows", "samples.parquet")


def read_recording(data: bytes) -> bool:
    """Whether a recording of which one file has these bytes could be read; the last byte says which.

    Raises
    ------
    AssertionError
        If it is neither read nor refused in one line.
    """
    name = FILES[data[-1] % len(FILES)] if data else FILES[0]
    folder = Path(tempfile.mkdtemp(dir=FOLDER, suffix=".session"))
    try:
        for file, content in sound_recording().items():
            (folder / file).write_bytes(content)
        (folder / name).write_bytes(data[:-1])
        recording = Session.open(folder)
        assert repr(recording)
        for part in ("spec", "samples", "events", "changes", "columns", "operations"):
            getattr(recording, part)
        recording.history()
        recording.steps()
    except WorkbenchError as error:
        _check_message(error)
        return False
    finally:
        shutil.rmtree(folder)
    return True


# ---- sound files ------------------------------------------------------------------------------------

_recording: dict[str, bytes] = {}


def sound_recording() -> dict[str, bytes]:
    """A short recording that was not finished, by file name."""
    if not _recording:
        facts = SessionFacts("a pond", "2026-11-21T12:00:00Z", Run("larson", threads=1, operations=10))
        with tempfile.TemporaryDirectory(dir=FOLDER) as place:
            writer = SessionWriter(Path(place), facts, time.monotonic())
            level = Column("pond.level", "Level", "pond.level", "", "cm", is_step=True)
            for index in range(3):
                writer.add_sample(Sample(index * 0.1, index * 1000, {level.key: float(index)}), [level])
            writer.add_changes([Change(1, time.monotonic(), "you", {"pond.depth": 4}, {"pond.depth": 5})])
            writer.flush(is_now=True)
            for file in writer.path.iterdir():
                _recording[file.name] = file.read_bytes()
            writer.close()
    return _recording


def _sound_parquet() -> bytes:
    with tempfile.TemporaryDirectory(dir=FOLDER) as place:
        writer = SessionWriter(Path(place), SessionFacts("a pond", "2026-11-21T12:00:00Z"), time.monotonic())
        level = Column("pond.level", "Level", "pond.level", "", "cm", is_step=True)
        writer.add_sample(Sample(0.1, 1000, {level.key: 1.0}), [level])
        writer.close(status="ended", note="")
        return (writer.path / "samples.parquet").read_bytes()


def recording_seeds() -> Iterator[bytes]:
    """A sound content of each file of a recording."""
    for number, name in enumerate(FILES):
        content = _sound_parquet() if name == "samples.parquet" else sound_recording()[name]
        yield content + bytes([number])


def trace_seeds() -> Iterator[bytes]:
    """Small traces; as they are, and to be mended after a change."""
    random = np.random.default_rng(1)
    for pairs, chunk_events in ((0, 10), (4, 100), (30, 16)):
        events = TraceChunk.of(
            [0, 4] * pairs,
            object_id=np.repeat(np.arange(pairs), 2),
            size_bytes=[
                int(size) if even else 0 for size in random.integers(1, 5000, pairs) for even in (1, 0)
            ],
            site=random.integers(0, 3, 2 * pairs),
            time_ns=1000 * np.cumsum(random.integers(0, 50, 2 * pairs)),
        )
        with tempfile.TemporaryDirectory(dir=FOLDER) as place:
            path = Path(place) / "a"
            options = {"command": ["p"], "chunk_events": chunk_events, "date": "2026-01-01"}
            with TraceWriter.open(path, **options) as writer:  # type: ignore[arg-type]
                writer.add_sites([Site("/bin/p", number) for number in range(3)])
                if pairs:
                    writer.append(events)
            for mended in (b"\x00", b"\x01"):
                yield path.read_bytes() + mended


TARGETS: dict[str, tuple[Callable[[bytes], bool], Callable[[], Iterator[bytes]]]] = {
    "fuzz_traces": (read_trace, trace_seeds),
    "fuzz_recordings": (read_recording, recording_seeds),
}
