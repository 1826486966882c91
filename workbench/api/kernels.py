"""Jupyter kernels whose cells run under an allocator: installed, listed, and removed again.

A kernel is a folder with a file `kernel.json`, which names a Python and an environment. JupyterLab and VS
Code offer what lies in Jupyter's folders. Ours bear a mark in that file, and nothing without it is changed.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ipykernel.kernelspec import get_kernel_dict, write_kernel_spec
from jupyter_client.kernelspec import KernelSpecManager

from workbench.allocators import Allocator, allocators, get_allocator
from workbench.api.cells import KERNEL_ONLY_VARIABLE
from workbench.control import Value
from workbench.display import Listing
from workbench.errors import BadParameter, describe_unknown
from workbench.processes import check_preloadable, preload_environment
from workbench.table import Table

_MARK = "workbench"  # in the metadata of a kernel.json; and the extension that its kernel loads
_FOLDER_VARIABLE = "WORKBENCH_KERNEL"  # in the environment of a kernel that runs: its folder
_LAUNCHER = "ipykernel_launcher"
_NAME = re.compile(r"[a-z0-9._-]+")  # Jupyter finds no other


@dataclass(frozen=True)
class InstalledKernel:
    """A kernel that the workbench installed.

    Attributes
    ----------
    name : str
        By which Jupyter knows it.
    title : str
        What the pickers show.
    allocator : str
        Under which its cells run.
    folder : Path
        Where its `kernel.json` is.
    problem : str
        Why it cannot start, or starts without its allocator; empty if it can.
    pids : tuple of int
        Kernels that run now and were started from it.
    """

    name: str
    title: str
    allocator: str
    folder: Path
    problem: str = ""
    pids: tuple[int, ...] = ()


def install_kernels(
    names: Sequence[str] = (),
    *,
    prefix: Path | None = None,
    name: str = "",
    title: str = "",
    settings: Mapping[str, Value] | None = None,
    keeps_pythonmalloc: bool = False,
    is_kernel_only: bool = False,
) -> Listing[InstalledKernel]:
    """Install a kernel of this Python for each allocator; one of ours that has the name is replaced.

    Parameters
    ----------
    names : sequence of str
        Allocators; by default, all that can be used here.
    prefix : Path, optional
        Where to: PREFIX/share/jupyter. By default, for this user.
    name, title : str
        What Jupyter calls it and what the pickers show, if it is one allocator.
    settings : mapping of str to Value, optional
        Tunables to start with.
    keeps_pythonmalloc : bool
        CPython goes on to serve small objects itself.
    is_kernel_only : bool
        Programs that cells start do not inherit the allocator.

    Raises
    ------
    BadParameter
        If a name is none, or is that of a kernel that is not ours, or the folder cannot be written.
    MissingAllocator, CannotPreload, UnknownTunable, OutOfRange, ConstraintBroken
        If a kernel could not run so. Nothing is installed then.
    """
    chosen = [get_allocator(one) for one in names] or [one for one in allocators() if one.available]
    if (name or title or settings) and len(chosen) != 1:
        raise BadParameter("a name, a title or settings are those of one kernel; name one allocator")
    check_preloadable([sys.executable])
    known, parent = _find(prefix), _user_folder(prefix)
    specs: dict[Path, dict[str, Any]] = {}
    for allocator in chosen:
        own_name = (name or f"python3-{re.sub(r'[^A-Za-z0-9._-]', '-', allocator.name)}").lower()
        if not _NAME.fullmatch(own_name):
            raise BadParameter(f"kernel '{own_name}': a name has letters, digits and . _ - only")
        folder = parent / own_name
        for place in (folder, known.get(own_name, folder)):
            if place.exists() and _read(place) is None:
                raise BadParameter(f"kernel {own_name}: {place} is not one of ours; give another --name")
        variables = preload_environment(settings or {}, {}, allocator)
        if not keeps_pythonmalloc:
            variables["PYTHONMALLOC"] = "malloc"
        variables[_FOLDER_VARIABLE] = str(folder)
        if is_kernel_only:
            variables[KERNEL_ONLY_VARIABLE] = " ".join(variables)
        specs[folder] = _describe(allocator, title, variables)
    for folder, spec in specs.items():
        _write(folder, spec)
    return _list({folder.name: folder for folder in specs})


def list_kernels(prefix: Path | None = None) -> Listing[InstalledKernel]:
    """List the kernels that the workbench installed, where Jupyter looks for kernels or below a prefix."""
    return _list(_find(prefix))


def remove_kernels(names: Sequence[str] = (), prefix: Path | None = None) -> Listing[InstalledKernel]:
    """Remove kernels that the workbench installed; by default, all of them. Those that run go on.

    BadParameter if there is no such kernel, it is not one of ours, or its folder cannot be written.
    """
    found = list_kernels(prefix)
    ours = {kernel.name: kernel for kernel in found}
    for name in names:
        if name not in ours and name in _find(prefix):
            remedy = f"`jupyter kernelspec remove {name}` removes it"
            raise BadParameter(f"kernel {name} is not one of ours; {remedy}")
        if name not in ours:
            raise BadParameter(describe_unknown("kernel", name, ours))
    chosen = [ours[name] for name in dict.fromkeys(names or ours)]
    for kernel in chosen:
        try:
            kernel.folder.unlink() if kernel.folder.is_symlink() else shutil.rmtree(kernel.folder)
        except OSError as error:
            raise BadParameter(f"{kernel.folder}: it cannot be removed ({error.strerror})") from error
    return Listing(chosen, _tabulate(chosen))


def _user_folder(prefix: Path | None) -> Path:
    if prefix is None:
        return Path(KernelSpecManager().user_kernel_dir)
    return prefix.expanduser().absolute() / "share" / "jupyter" / "kernels"


def _find(prefix: Path | None) -> dict[str, Path]:
    """Folders of all kernels by name, also of those that are not ours."""
    manager = KernelSpecManager(ensure_native_kernel=False)
    if prefix is not None:
        manager.kernel_dirs = [str(_user_folder(prefix))]
    return {name: Path(folder) for name, folder in manager.find_kernel_specs().items()}


def _describe(allocator: Allocator, title: str, variables: Mapping[str, str]) -> dict[str, Any]:
    return {
        "display_name": title or f"Python 3 ({allocator.name})",
        "env": dict(variables),
        "metadata": get_kernel_dict()["metadata"] | {_MARK: {"allocator": allocator.name}},
    }


def _write(folder: Path, spec: dict[str, Any]) -> None:
    """Put a kernel in its place whole: a picker never sees half of it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".workbench-", dir=folder.parent) as scratch:
            # As ipykernel installs its own kernel: a debugger cannot stop in frozen modules.
            new = write_kernel_spec(
                Path(scratch, "new"),
                spec,
                [f"--IPKernelApp.extra_extensions={_MARK}"],
                ["-Xfrozen_modules=off"],
            )
            if folder.exists():
                folder.rename(Path(scratch, "old"))
            Path(new).rename(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadParameter(
            f"{folder}: a kernel cannot be written there ({reason}); give --prefix with a folder of yours"
        ) from error


def _read(folder: Path, pids: Mapping[str, tuple[int, ...]] | None = None) -> InstalledKernel | None:
    """The kernel in a folder; None if it is not one of ours."""
    try:
        spec = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
        python, title = str(spec["argv"][0]), str(spec["display_name"])
        allocator, libraries = str(spec["metadata"][_MARK]["allocator"]), str(spec["env"]["LD_PRELOAD"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    missing = [path for path in (python, *libraries.split(":")) if not Path(path).exists()]
    problem = f"{missing[0]} is gone; install it again, or remove it" if missing else ""
    running = (pids or {}).get(str(folder), ())
    return InstalledKernel(folder.name, title, allocator, folder, problem, running)


def _list(folders: Mapping[str, Path]) -> Listing[InstalledKernel]:
    pids = _find_running()
    kernels = [kernel for _, folder in sorted(folders.items()) if (kernel := _read(folder, pids)) is not None]
    return Listing(kernels, _tabulate(kernels))


def _find_running() -> dict[str, tuple[int, ...]]:
    """Pids of kernels that run, by the folder they were started from; what they forked is not one."""
    found: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for process in psutil.process_iter():
        try:
            if _LAUNCHER in process.cmdline() and (folder := process.environ().get(_FOLDER_VARIABLE)):
                found[folder][process.pid] = process.ppid()
        except psutil.Error:  # another user's, or it has ended
            continue
    return {
        folder: tuple(sorted(pid for pid, parent in pids.items() if parent not in pids))
        for folder, pids in found.items()
    }


def _tabulate(kernels: Sequence[InstalledKernel]) -> Table:
    columns = {
        "kernel": lambda one: one.name,
        "title": lambda one: one.title,
        "allocator": lambda one: one.allocator,
        "runs as": lambda one: ", ".join(map(str, one.pids)),
        "folder": lambda one: str(one.folder),
        "problem": lambda one: one.problem,
    }
    return Table.of(kernels, columns, wrapped=("problem",), shortened=("folder",), dropped=("folder",))
