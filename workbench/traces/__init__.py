"""Traces, the recorded allocation calls of programs: read and written."""

from workbench.traces.chunk import CallKind, TraceChunk
from workbench.traces.format import SUFFIX
from workbench.traces.metadata import TraceMetadata
from workbench.traces.reader import Trace
from workbench.traces.sites import Site
from workbench.traces.writer import TraceWriter

__all__ = ["SUFFIX", "CallKind", "Site", "Trace", "TraceChunk", "TraceMetadata", "TraceWriter"]
