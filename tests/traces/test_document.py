"""The worked example of docs/trace_format.md is what the writer writes."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.traces import Site, TraceChunk
from workbench.traces.columns import encode_chunk
from workbench.traces.format import EVENTS, SITES, Totals, pack_header, pack_section
from workbench.traces.sites import encode_sites

_HEX_LINE = re.compile(r"^ *\d+ +((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  .*)?$")


def test_the_example_is_true(repository: Path) -> None:
    sites = encode_sites([Site("/bin/p", 0x1139), Site("/bin/p", 0x1150)])
    events = TraceChunk.of(
        [0, 0, 4], object_id=[0, 1, 0], size_bytes=[100, 300, 0], site=[0, 0, 1], time_ns=[1000, 1000, 5000]
    )
    payload, _, totals = encode_chunk(events, Totals(peak_live_bytes=400), resolution_ns=1000, level=9)
    assert totals == Totals(events=3, objects=2, peak_live_bytes=400, time_units=5, threads=1)
    written = b"".join(
        [
            pack_header(),
            pack_section(SITES, sites, 2, Totals()),
            sites,
            pack_section(EVENTS, payload, 3, totals),
            payload,
        ]
    )
    text = (repository / "docs" / "trace_format.md").read_text(encoding="utf-8")
    lines = [_HEX_LINE.match(line) for line in text.splitlines()]
    assert bytes.fromhex("".join(line[1] for line in lines if line)) == written
