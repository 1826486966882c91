"""C files include only headers of their own layer or of those below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.project.circles import find_circles
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
    ("heap", "heap_blocks", "heap_upkeep", "purger"),
    ("lifecycle",),
    ("memory_layout",),
    ("tls_cache", "tls_cache_outboxes", "tls_cache_route", "tls_cache_threads"),
    ("bin", "bin_limits", "bin_marks", "outbox", "ghost_rules", "ghosts", "ghosts_marginal", "sampler"),
    ("l25_pool", "l25_shard", "big_cache", "big_ghosts", "big_copies", "big_table", "big_stripe"),
    ("magazine",),
    ("central", "central_purge", "central_lists", "block_bits"),
    ("superslab", "superslab_map", "superslab_purge", "superslab_lists", "altered"),
    ("registry", "frames", "checks", "integrity"),
    ("chunk", "slab_runs", "thread_rows"),
    ("retention", "samples"),
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
    "processor": (),
    "system": ("processor",),
    "block": ("include", "system"),
    "allocator": ("include", "tables", "processor", "system", "block", "preload"),
    "workloads": ("include", "processor", "block"),
    "models": ("include", "tables", "processor", "system", "block", "allocator", "workloads"),
    "agents": ("include", "system", "block", "preload"),
    "injection": ("processor",),
    "recorder": ("include", "processor", "block", "preload"),
}

# Functions, by their first line: neither is indented.
DEFINITION = re.compile(r"^(?!static|typedef|#)\w[\w \t*]*?\b(\w+)\([^;{}]*\)\s*\{", flags=re.MULTILINE)
DECLARATION = re.compile(r"^(?!static|typedef|#)\w[\w \t*]*?\b(\w+)\([^;{}]*\)[^;{}]*;", flags=re.MULTILINE)
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


def name_components(paths: Iterable[Path]) -> dict[Path, str]:
    """Return each file's component: NAME.c with NAME.h, and with NAME_*.c without a header of their own."""
    headers = sorted((path.with_suffix("") for path in paths if path.suffix == ".h"), reverse=True)
    return {
        path: next(
            (
                str(header)
                for header in headers
                if path.with_suffix("") == header or _is_part(path, header, headers)
            ),
            str(path.with_suffix("")),
        )
        for path in paths
    }


def _is_part(path: Path, header: Path, headers: list[Path]) -> bool:
    return path.with_suffix("") not in headers and str(path).startswith(f"{header}_")


def find_needs(texts: Mapping[Path, str]) -> dict[str, set[str]]:
    """Return what each component needs: what it includes, and who defines, in its folder, what it declares.

    Headers in `include` are for others: they need not the folder that keeps their promises.
    """
    components = name_components(texts)
    by_name = {path.name: component for path, component in components.items() if path.suffix != ".c"}
    needs: dict[str, set[str]] = {component: set() for component in components.values()}
    definers: dict[tuple[Path, str], str] = {}
    for path, text in texts.items():
        included = (Path(name).name for name in INCLUDE.findall(text))
        needs[components[path]].update(by_name[name] for name in included if name in by_name)
        if path.suffix == ".c":
            definers.update({(path.parent, name): components[path] for name in DEFINITION.findall(text)})
    for path, text in texts.items():
        if path.suffix == ".h":
            declared = {(path.parent, name) for name in DECLARATION.findall(text)}
            needs[components[path]].update(definers[name] for name in declared & definers.keys())
    return {component: needed - {component} for component, needed in needs.items()}


def test_no_component_needs_itself_through_others() -> None:
    needs = find_needs({path: read_text(path) or "" for path in list_native()})
    assert needs["native/allocator/heap"] > {"native/allocator/l25_pool", "native/allocator/os"}
    assert find_circles(needs) == []


def test_a_circle_is_found() -> None:
    """One by includes, and one by a header that declares what a component above it defines."""
    texts = {
        "a.h": "int f(void);",
        "a.c": '#include "b.h"',
        "b.h": "",
        "b.c": '#include "a.h"',
        "b_more.c": "",
    }
    assert find_circles(find_needs({Path(name): text for name, text in texts.items()})) == ["a -> b -> a"]
    texts |= {"a.c": "", "b_more.c": "int f(void)\n{\n}"}
    assert find_circles(find_needs({Path(name): text for name, text in texts.items()})) == ["a -> b -> a"]
    texts |= {"b_more.h": ""}
    assert find_circles(find_needs({Path(name): text for name, text in texts.items()})) == []


def test_header_names_are_unique() -> None:
    headers = [path for path in list_native() if path.suffix in {".h", ".def"}]
    # Each processor's folder has the same headers.
    names = {(path.name, *path.parts[1:-1]) for path in headers if path.parts[1] != "processor"}
    names |= {(path.name, "processor") for path in headers if path.parts[1] == "processor"}
    assert len({name for name, *_ in names}) == len(names)


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
