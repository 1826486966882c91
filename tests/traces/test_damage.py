"""A damaged trace is named with the place, and gives what precedes it, whatever its bytes are."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import DamagedTrace, WrongTraceVersion
from workbench.traces import Site, Trace, TraceChunk, TraceWriter
from workbench.traces.chunk import COLUMN_TYPES
from workbench.traces.columns import decode_chunk, encode_chunk
from workbench.traces.format import (
    EVENTS,
    HEADER_BYTES,
    SECTION_BYTES,
    Totals,
    pack_header,
    pack_section,
    unpack_section,
)

CHUNK = 40
CHUNKS = 5


def make_events() -> TraceChunk:
    random = np.random.default_rng(1)
    pairs = CHUNK * CHUNKS // 2
    return TraceChunk.of(
        [0, 4] * pairs,
        object_id=np.repeat(np.arange(pairs), 2),
        size_bytes=[int(size) if even else 0 for size in random.integers(1, 5000, pairs) for even in (1, 0)],
        thread=random.integers(0, 3, 2 * pairs),
        site=random.integers(0, 9, 2 * pairs),
        time_ns=1000 * np.cumsum(random.integers(0, 50, 2 * pairs)),
    )


@pytest.fixture(scope="module")
def events() -> TraceChunk:
    return make_events()


@pytest.fixture(scope="module")
def sound(events: TraceChunk, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("trace") / "a"
    with TraceWriter.open(path, command=["p"], chunk_events=CHUNK, date="2026-01-01") as writer:
        writer.add_sites([Site("/bin/p", number) for number in range(9)])
        writer.append(events)
    return path.read_bytes()


def is_beginning_of(part: TraceChunk, whole: TraceChunk) -> bool:
    return all(
        np.array_equal(getattr(part, name), getattr(whole, name)[: len(part)]) for name in COLUMN_TYPES
    )


def read(data: bytes, path: Path) -> tuple[TraceChunk, Trace] | None:
    """What a trace of these bytes holds; None if it is refused."""
    path.write_bytes(data)
    try:
        trace = Trace.open(path)
    except (DamagedTrace, WrongTraceVersion):
        return None
    with trace:
        return TraceChunk.join(list(trace.chunks())), trace


@settings(max_examples=300)
@given(data=st.data())
def test_any_byte_changed(
    data: st.DataObject, sound: bytes, events: TraceChunk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed = bytearray(sound)
    at = data.draw(st.integers(0, len(sound) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    found = read(bytes(changed), tmp_path_factory.getbasetemp() / "changed")
    if found is not None:
        part, trace = found
        assert trace.damage is not None
        assert trace.damage.startswith("at byte ")
        assert int(trace.damage.split()[2].rstrip(":")) <= at
        assert is_beginning_of(part, events)
        assert trace.metadata.event_count == len(part)
        assert not trace.metadata.complete


@settings(max_examples=150)
@given(data=st.data())
def test_cut_anywhere(
    data: st.DataObject, sound: bytes, events: TraceChunk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    length = data.draw(st.integers(0, len(sound) - 1))
    found = read(sound[:length], tmp_path_factory.getbasetemp() / "cut")
    if found is not None:
        part, trace = found
        assert trace.damage is not None
        assert len(part) % CHUNK == 0
        assert is_beginning_of(part, events)
        assert trace.metadata.command == ("p",)
        assert trace.metadata.object_count == len(part) // 2


@settings(max_examples=150)
@given(data=st.data())
def test_anything_inserted_or_appended(
    data: st.DataObject, sound: bytes, events: TraceChunk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    at = data.draw(st.integers(0, len(sound)))
    more = data.draw(st.binary(min_size=1, max_size=100))
    found = read(sound[:at] + more + sound[at:], tmp_path_factory.getbasetemp() / "longer")
    if found is not None:
        part, trace = found
        assert trace.damage is not None
        assert is_beginning_of(part, events)


@settings(max_examples=300)
@given(data=st.data())
def test_a_wrong_payload_under_a_right_checksum(data: st.DataObject, events: TraceChunk) -> None:
    payload, _, _ = encode_chunk(events, Totals(), resolution_ns=1000, level=1)
    changed = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    count = data.draw(st.sampled_from([len(events), 1, 0, 1 << 20, (1 << 32) - 1]))
    try:
        found, _ = decode_chunk(bytes(changed), count, Totals(), resolution_ns=1000)
    except ValueError:
        return
    assert len(found) == count


def test_damage_in_the_middle_leaves_what_precedes(sound: bytes, events: TraceChunk, tmp_path: Path) -> None:
    third = find_sections(sound)[2]
    changed = bytearray(sound)
    changed[third + SECTION_BYTES + 3] ^= 1
    found = read(bytes(changed), tmp_path / "a")
    assert found is not None
    part, trace = found
    assert len(part) == 2 * CHUNK
    message = f"at byte {third + SECTION_BYTES}: the data there does not match its checksum"
    assert trace.damage == message
    assert (trace.metadata.event_count, trace.metadata.end) == (2 * CHUNK, "damaged")


def test_a_recording_that_was_cut_short(sound: bytes, tmp_path: Path) -> None:
    third = find_sections(sound)[2]
    found = read(sound[:third], tmp_path / "a")
    assert found is not None
    assert found[1].damage == f"at byte {third}: the file ends there, without its footer"


def test_sizes_in_a_header_are_not_trusted(sound: bytes, tmp_path: Path) -> None:
    first = find_sections(sound)[0]
    huge = bytearray(pack_section(EVENTS, b"", 1 << 30, Totals(events=1 << 30)))
    found = read(sound[:first] + bytes(huge), tmp_path / "a")
    assert found is not None
    assert found[1].damage == f"at byte {first}: the section there is larger than sections are"


@pytest.mark.parametrize("data", [b"", b"HAKTRACE", b"PK\x03\x04" + bytes(100), bytes(1000)])
def test_what_is_no_trace(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.haktrace").write_bytes(data)
    with pytest.raises(DamagedTrace, match=r"a\.haktrace: it is no trace"):
        Trace.open(tmp_path / "a.haktrace")


def test_a_trace_of_a_newer_version(sound: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pack_header(version=2) + sound[HEADER_BYTES:])
    message = "a: it is a trace of version 2, this workbench reads version 1"
    with pytest.raises(WrongTraceVersion, match=message):
        Trace.open(tmp_path / "a")


def test_a_file_that_changes_while_it_is_read(sound: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(sound)
    with Trace.open(tmp_path / "a") as trace:
        at = find_sections(sound)[0] + SECTION_BYTES
        with (tmp_path / "a").open("r+b") as file:
            file.seek(at)
            file.write(bytes([sound[at] ^ 1]))
        with pytest.raises(DamagedTrace, match=f"a: at byte {at}: changed since it was opened"):
            list(trace.chunks())


def test_sections_of_a_chunk_that_does_not_belong(sound: bytes, events: TraceChunk, tmp_path: Path) -> None:
    """A chunk repeated: each section is sound, the sequence is not."""
    first, second = find_sections(sound)[:2]
    found = read(sound[:second] + sound[first:second] + sound[second:], tmp_path / "a")
    assert found is not None
    assert len(found[0]) == CHUNK
    assert found[1].damage == f"at byte {second}: the section there does not follow what precedes it"


def test_checksums_are_the_usual_ones(sound: bytes) -> None:
    assert zlib.crc32(sound[: HEADER_BYTES - 4]) == int.from_bytes(
        sound[HEADER_BYTES - 4 : HEADER_BYTES], "little"
    )


def find_sections(data: bytes) -> list[int]:
    """Offsets of the events sections."""
    offsets = []
    at = HEADER_BYTES
    while at < len(data):
        section = unpack_section(data[at : at + SECTION_BYTES], at)
        if section.kind == EVENTS:
            offsets.append(at)
        at = section.end
    return offsets
