"""Sampled allocations of a running process: stacks, unwound and named outside it, and what they add up to."""

from workbench.samples.address_space import Frame
from workbench.samples.heap_profile import HeapProfile, read_heap
from workbench.samples.pprof import write_collapsed, write_pprof
from workbench.samples.tables import tabulate_stacks

__all__ = ["Frame", "HeapProfile", "read_heap", "tabulate_stacks", "write_collapsed", "write_pprof"]
