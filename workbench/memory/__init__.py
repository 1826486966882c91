"""Where the resident memory of a process is: read page by page from outside, in parts that add up."""

from workbench.memory.use import ClassUse, MemoryUse, Part, measure_blocks, measure_memory
from workbench.memory.watch import MemoryWatch

__all__ = ["ClassUse", "MemoryUse", "MemoryWatch", "Part", "measure_blocks", "measure_memory"]
