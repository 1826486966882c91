"""What sampled allocations say about a heap: who holds it, who allocates, and how long blocks live.

Each sample stands for 1 / p allocations, p being the chance of a block of its size to be sampled. Sums over
samples are unbiased, and the spread of the samples tells their standard error.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.allocators import get_row
from workbench.allocators import rows as allocator_rows
from workbench.bindings.reader import Reader
from workbench.control import SAMPLES_KIND, ControlBlock, find_path
from workbench.errors import NoProcess
from workbench.samples.address_space import AddressSpace, Frame
from workbench.samples.unwinding import walk_stack

_CUT = Frame("[the stack goes on]")
_LOST = Frame("[the stack could not be followed]")

_COLUMNS = ("number", "requested_bytes", "block_bytes", "interval_bytes", "born_ns", "freed_ns", "thread")

Stack = tuple[Frame, ...]


@dataclass(frozen=True)
class HeapProfile:
    """The samples of a process at one moment.

    Parameters
    ----------
    pid : int
        The process.
    time_ns : int
        When they were read, by CLOCK_MONOTONIC.
    lost : int
        Samples for which the process had no room.
    samples : frame
        A row for each sampled allocation: its `number`, `requested_bytes` and `block_bytes`, the
        `interval_bytes` of that time, `born_ns` and `freed_ns` (0: not freed), `thread` (kernel id), `weight`
        (how many allocations it stands for) and `stack` (index into `stacks`).
    stacks : sequence of tuple of Frame
        Different stacks, the outermost function first.
    program : str
        File name of the process's program.
    taken_ns : int
        When they were read, since 1970.
    """

    pid: int
    time_ns: int
    lost: int
    samples: pd.DataFrame
    stacks: list[Stack]
    program: str = ""
    taken_ns: int = 0

    def in_use(self) -> pd.DataFrame:
        """Heap in use by stack: `bytes` (the most first), their error `bytes_error`, `blocks`, `samples`."""
        return self._add_up(self.samples[self.samples["freed_ns"] == 0])

    def allocated(self) -> tuple[pd.DataFrame, float]:
        """What was allocated lately by stack, with the columns of `in_use`, and in how many seconds.

        The time goes back to the oldest sample after which none is missing.
        """
        ordered = self.samples.sort_values("number")
        number = ordered["number"].to_numpy()
        gaps = np.flatnonzero(np.diff(number) != 1)
        recent = ordered.iloc[gaps[-1] + 1 if len(gaps) else 0 :]
        since_ns = int(recent["born_ns"].iloc[0]) if len(recent) else self.time_ns
        return self._add_up(recent), (self.time_ns - since_ns) / 1e9

    def lifetimes(self) -> pd.DataFrame:
        """How long blocks lived that are freed by now, by stack: `median_s`, `longest_s`, `samples`."""
        ended = self.samples[self.samples["freed_ns"] != 0]
        seconds = (ended["freed_ns"] - ended["born_ns"]) / 1e9
        found = seconds.groupby(ended["stack"]).agg(["median", "max", "size"])
        return found.rename(columns={"median": "median_s", "max": "longest_s", "size": "samples"})

    def rounding(self) -> pd.DataFrame:
        """What blocks hold that nobody asked for, by `block_bytes`: `bytes`, `lost_bytes`, `lost_error`."""
        live = self.samples[self.samples["freed_ns"] == 0]
        lost = (live["block_bytes"] - live["requested_bytes"]).clip(lower=0)
        rows = pd.DataFrame(
            {
                "block_bytes": live["block_bytes"],
                "bytes": live["weight"] * live["block_bytes"],
                "lost_bytes": live["weight"] * lost,
                "lost_error": live["weight"] * (live["weight"] - 1) * lost**2,
            }
        )
        found = rows.groupby("block_bytes").sum()
        found["lost_error"] **= 0.5
        return found.sort_values("lost_bytes", ascending=False)

    def grown_since(self, earlier: HeapProfile) -> pd.DataFrame:
        """What grew by stack since an earlier profile of the process: `bytes` more (or less), `bytes_error`.

        Samples that both have cancel out, so only what was allocated or freed in between makes an error.
        """
        new = self.samples[self.samples["freed_ns"] == 0]
        old = earlier.samples[earlier.samples["freed_ns"] == 0]
        added = new[~new["number"].isin(old["number"])].assign(sign=1)
        places = {stack: index for index, stack in enumerate(self.stacks)}
        gone = old[~old["number"].isin(new["number"])].assign(sign=-1)
        gone["stack"] = [
            places.setdefault(earlier.stacks[index], len(places)) for index in gone["stack"].astype(int)
        ]
        self.stacks.extend(list(places)[len(self.stacks) :])
        return self._add_up(pd.concat([added, gone])).sort_values("bytes", ascending=False)

    def _add_up(self, samples: pd.DataFrame) -> pd.DataFrame:
        sign = samples.get("sign", 1)
        bytes_ = samples["weight"] * samples["block_bytes"]
        rows = pd.DataFrame(
            {
                "stack": samples["stack"].astype(int),
                "bytes": sign * bytes_,
                "bytes_error": samples["weight"] * (samples["weight"] - 1) * samples["block_bytes"] ** 2,
                "blocks": sign * samples["weight"],
                "samples": 1,
            }
        )
        found = rows.groupby("stack").sum()
        found["bytes_error"] **= 0.5
        return found.sort_values("bytes", ascending=False)


class HeapReader:
    """Reads the samples of a process again and again; a sample is named when it is first seen.

    Parameters
    ----------
    pid : int
        The process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._libraries = {row.file for row in allocator_rows() if row.sampling}
        self._named: dict[tuple[int, int], Stack] = {}

    def read(self) -> HeapProfile:
        """Read them as `read_heap` does."""
        reader = _open(self._pid)
        try:
            rows, copies, head = reader.samples()
            space = AddressSpace(self._pid)
            time_ns = time.monotonic_ns()
        finally:
            reader.close()
        columns: dict[str, Any] = {
            name: (rows["sequence"] // 2 if name == "number" else rows[name]).astype(np.int64)
            for name in _COLUMNS
        }
        # A program that was replaced by another begins its numbers anew, at another time.
        keys = list(zip(columns["number"].tolist(), columns["born_ns"].tolist(), strict=True))
        self._named = {
            key: self._named.get(key)
            or _name_stack(space, self._libraries, head["processor"], row["registers"].tolist(), copy)
            for key, row, copy in zip(keys, rows, copies, strict=True)
        }
        known: dict[Stack, int] = {}
        stack = [known.setdefault(self._named[key], len(known)) for key in keys]
        chance = 1 - np.exp(-columns["block_bytes"] / np.maximum(columns["interval_bytes"], 1))
        samples = pd.DataFrame({**columns, "weight": 1 / chance, "stack": np.array(stack, np.int64)})
        return HeapProfile(
            self._pid, time_ns, head["lost"], samples, list(known), space.program, time.time_ns()
        )


def read_heap(pid: int) -> HeapProfile:
    """Read and name the samples of a process.

    NoProcess if it does not run or takes no samples, NotPermitted if it is another user's.
    """
    return HeapReader(pid).read()


def _open(pid: int) -> Reader:
    with contextlib.suppress(NoProcess):
        return Reader(find_path(pid, SAMPLES_KIND))
    with ControlBlock.open(pid) as block:  # says whose it is if it cannot be read
        kind = block.info.kind
    for row in allocator_rows():
        if row.kind == kind and (sampling := get_row(row.in_process or row.name).sampling):
            words = " ".join(f"{name}={value}" for name, value in sampling.items())
            raise NoProcess(f"process {pid} has no samples yet: `workbench set {pid} {words}` takes some")
    names = ", ".join(row.name for row in allocator_rows() if row.sampling)
    raise NoProcess(f"process {pid} takes no samples: its allocator is none of {names} (`workbench exec`)")


def _name_stack(
    space: AddressSpace, libraries: set[str], machine: int, registers: list[int], copy: bytes
) -> Stack:
    """Frames from the outermost on, without those of the allocator itself."""
    walk = walk_stack(space, machine, dict(enumerate(registers)), copy)
    frames = [
        frame
        for depth, address in enumerate(walk.addresses)
        for frame in space.find_frames(address, is_return=depth > 0)
    ]
    own = [
        depth
        for depth, frame in enumerate(frames[:16])
        if frame.module in libraries or frame.function.startswith("hak_")
    ]
    frames = frames[own[-1] + 1 if own else 0 :]
    above = {"cut": [_CUT], "lost": [_LOST]}.get(walk.end, [])
    return (*above, *reversed(frames))
