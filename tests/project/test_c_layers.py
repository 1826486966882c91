"""C files include only headers of their own layer or of those below."""

from __future__ import annotations

import re
from pathlib import Path

from tests.project.tracked_files import list_files, read_text

# From the top down: a file may include from its own row and the rows after it. Names are those of
# native/allocator, without suffix.
ALLOCATOR_LAYERS = (
    (
        "override",
        "override_cxx",
        "override_info",
        "override_pages",
        "override_libc",
        "override_process",
        "api",
    ),
    ("process",),
    ("fast_path", "override_replaced", "statistics"),
    ("heap", "heap_upkeep", "purger"),
    ("lifecycle",),
    ("tls_cache", "tls_cache_threads", "bin_limits", "bin_marks", "outbox"),
    ("l25_pool", "l25_shard", "big_cache", "big_table", "big_stripe"),
    ("magazine",),
    ("central", "central_purge", "central_lists", "block_bits"),
    ("superslab", "superslab_map", "superslab_purge", "superslab_lists", "altered"),
    ("registry", "frames", "checks", "integrity"),
    ("chunk", "slab_runs", "thread_rows"),
    ("retention",),
    ("control", "events", "settings", "clock"),
    ("range", "memory_limit"),
    ("os", "call_site"),
    ("telemetry",),
    ("size_class",),
    ("base", "lock", "early_blocks"),
)
LAYER_OF = {name: index for index, row in enumerate(ALLOCATOR_LAYERS) for name in row}

# Folders of native/, and the folders whose headers each may include besides its own.
FOLDERS = {
    "include": (),
    "tables": (),
    "preload": (),
    "system": (),
    "block": ("include", "system"),
    "allocator": ("include", "tables", "system", "block", "preload"),
    "workloads": ("include", "block"),
    "agents": ("include", "system", "block", "preload"),
    "recorder": ("include", "block", "preload"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', flags=re.MULTILINE)


def list_native() -> list[Path]:
    return [
        path for path in list_files() if path.parts[0] == "native" and path.suffix in {".c", ".h", ".def"}
    ]


def list_includes(path: Path) -> list[Path]:
    """Headers of the project that a file includes, relative to native/."""
    by_name = {other.name: other for other in list_native()}
    return [
        by_name[Path(name).name]
        for name in INCLUDE.findall(read_text(path) or "")
        if Path(name).name in by_name
    ]


def test_header_names_are_unique() -> None:
    names = [path.name for path in list_native() if path.suffix in {".h", ".def"}]
    assert sorted(names) == sorted(set(names))


def test_folders_include_only_what_they_may() -> None:
    wrong = [
        f"{path} includes {header}"
        for path in list_native()
        for header in list_includes(path)
        if header.parts[1] not in (path.parts[1], *FOLDERS[path.parts[1]])
    ]
    assert wrong == []


def test_every_file_of_the_allocator_has_a_layer() -> None:
    assert [
        str(path) for path in list_native() if path.parts[1] == "allocator" and path.stem not in LAYER_OF
    ] == []


def test_allocator_includes_point_downward() -> None:
    wrong = [
        f"{path} includes {header}"
        for path in list_native()
        for header in list_includes(path)
        if path.parts[1] == header.parts[1] == "allocator"
        and LAYER_OF.get(header.stem, 0) < LAYER_OF.get(path.stem, len(ALLOCATOR_LAYERS))
    ]
    assert wrong == []
