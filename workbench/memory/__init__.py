"""Where the resident memory of a process is: read page by page from outside, in parts that add up."""

from workbench.memory.use import ClassUse, MemoryUse, Part, measure_blocks, measure_memory

__all__ = ["ClassUse", "MemoryUse", "Part", "measure_blocks", "measure_memory"]
