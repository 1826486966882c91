"""What stays resident after a burst of which few blocks survive, under each allocator.

    .venv/bin/python benchmarks/survivors.py [--allocators hakmem,glibc,...] [--wait 15]

In a process of its own: 128 MiB of blocks of one size are allocated and written, all but every hundredth are
freed in the order they were made. Then the process goes on working, so that allocators without a thread of
their own can do their upkeep: it allocates 2000 blocks of 16 to 5015 bytes and frees them, again and again.
Prints a table of what is resident more than before the burst. Bytes, so a busy machine does not matter.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
import time
from pathlib import Path

import psutil

from workbench.allocators import allocators, get_allocator, run_environment
from workbench.errors import WorkbenchError

_BURST_BYTES = 128 << 20
_SURVIVES_EVERY = 100
_SIZES_BYTES = (100, 1000, 4000, 20000)
_TIMEOUT_S = 300


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    at_hand = [allocator.name for allocator in allocators() if allocator.available]
    parser.add_argument("--allocators", default=",".join(at_hand))
    parser.add_argument("--wait", type=float, default=15, help="seconds from the last free to the reading")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(_measure_here(arguments.child, arguments.wait))
        return
    names = arguments.allocators.split(",")
    try:
        libraries = [get_allocator(name).library for name in names]
    except WorkbenchError as error:
        parser.error(str(error))
    print(f"| MiB resident, blocks of | {' | '.join(names)} | survivors |")
    print("| --- |" + " ---: |" * (len(names) + 1))
    for size_bytes in _SIZES_BYTES:
        cells = [f"{_measure(library, size_bytes, arguments.wait) / 2**20:.1f}" for library in libraries]
        survivors = _BURST_BYTES // size_bytes // _SURVIVES_EVERY
        print(f"| {size_bytes} B | {' | '.join(cells)} | {survivors * size_bytes / 2**20:.1f} |", flush=True)


def _measure(library: Path | None, size_bytes: int, wait_s: float) -> int:
    command = [sys.executable, __file__, "--child", str(size_bytes), "--wait", str(wait_s)]
    run = subprocess.run(
        command,
        env=run_environment(library),
        capture_output=True,
        text=True,
        check=True,
        timeout=_TIMEOUT_S,
    )
    return int(run.stdout)


def _measure_here(size_bytes: int, wait_s: float) -> int:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    count = _BURST_BYTES // size_bytes
    blocks = (ctypes.c_void_p * count)()
    ctypes.memset(blocks, 1, ctypes.sizeof(blocks))
    process = psutil.Process()
    before_bytes = process.memory_full_info().uss
    for i in range(count):
        blocks[i] = library.malloc(size_bytes)
        ctypes.memset(blocks[i], 1, size_bytes)
    for i in range(count):
        if i % _SURVIVES_EVERY:
            library.free(blocks[i])
    end_s = time.monotonic() + wait_s
    while time.monotonic() < end_s:
        work = [library.malloc(16 + 7 * i % 5000) for i in range(2000)]
        for block in work:
            library.free(block)
        time.sleep(0.02)
    return int(process.memory_full_info().uss - before_bytes)


if __name__ == "__main__":
    main()
