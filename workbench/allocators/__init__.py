"""The allocators: where each one's library is, how it gets into a program, and what it says of itself.

A row of `table.toml` is what must be known of an allocator before it runs; `Allocator` is the row as it is
found on this machine. Nothing above this room knows an allocator, a tunable or a metric by name.
"""

from workbench.allocators.allocator import (
    AGENT,
    LATENCY_RUNNER,
    RUNNER,
    Allocator,
    allocator_of,
    allocators,
    get_allocator,
    is_allocator_variable,
    read_line,
    run_environment,
    tunables_of,
)
from workbench.allocators.preload_paths import loader_path, put_first
from workbench.allocators.start_settings import StartPlace, find_place, read_variable, spell, write_variables
from workbench.allocators.table import (
    DEFAULT_ALLOCATOR,
    TABLE_VARIABLE,
    Preset,
    Row,
    get_row,
    has_own_block,
    is_linked,
    is_tunable,
    rows,
)

__all__ = [
    "AGENT",
    "DEFAULT_ALLOCATOR",
    "LATENCY_RUNNER",
    "RUNNER",
    "TABLE_VARIABLE",
    "Allocator",
    "Preset",
    "Row",
    "StartPlace",
    "allocator_of",
    "allocators",
    "find_place",
    "get_allocator",
    "get_row",
    "has_own_block",
    "is_allocator_variable",
    "is_linked",
    "is_tunable",
    "loader_path",
    "put_first",
    "read_line",
    "read_variable",
    "rows",
    "run_environment",
    "spell",
    "tunables_of",
    "write_variables",
]
