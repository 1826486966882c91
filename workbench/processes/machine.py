"""Where a result comes from: the machine, and the software on it, as values and as lines for people."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import workbench
from workbench.allocators import RUNNER, get_allocator
from workbench.errors import BadParameter

UNKNOWN = "unknown"
_GIT_TIMEOUT_S = 20
_CHECKOUT = Path(__file__).resolve().parent.parent.parent
# Results of two machines must be told apart; nobody needs to know which machine it was.
_ID_SALT = b"hakmem-workbench machine "
_ID_CHARACTERS = 16


@dataclass(frozen=True)
class Machine:
    """The machine and how it was set up; nothing here names it.

    Parameters
    ----------
    id : str
        Hash of the system's machine id, the CPU model and the number of cores.
    description, kernel, cpu : str
        The first is one line for people.
    cores : int
        That this process may use.
    memory_bytes : int
    governor : str
        How the CPU chooses its frequency; "none" where the system does not tell.
    huge_pages : str
        Transparent huge pages: always, madvise, never or unknown.
    """

    id: str
    description: str
    kernel: str
    cpu: str
    cores: int
    memory_bytes: int
    governor: str
    huge_pages: str


@dataclass(frozen=True)
class Software:
    """The builds that took part.

    Parameters
    ----------
    workbench_version, python_version : str
    source_revision : str
        Revision of the checkout, with "-dirty" if changed; empty for an installed package.
    runner_checksum : str
        The sha256 of the native workload runner.
    allocator_version : str
    allocator_checksum : str
        The sha256 of its library.
    """

    workbench_version: str
    python_version: str
    source_revision: str
    runner_checksum: str
    allocator_version: str
    allocator_checksum: str


def describe_machine() -> Machine:
    """Describe this machine as it is now."""
    cpu = _read_cpu()
    cores = len(os.sched_getaffinity(0))
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kernel = f"{platform.system()} {platform.release()}"
    identity = "\n".join([_read_text("/etc/machine-id"), cpu, str(cores)])
    return Machine(
        id=hashlib.sha256(_ID_SALT + identity.encode()).hexdigest()[:_ID_CHARACTERS],
        description=f"{cpu}, {cores} cores, {memory_bytes / 2**30:.0f} GiB, {kernel}",
        kernel=kernel,
        cpu=cpu,
        cores=cores,
        memory_bytes=memory_bytes,
        governor=_read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "none",
        huge_pages=_read_choice("/sys/kernel/mm/transparent_hugepage/enabled"),
    )


def describe_software(allocator_name: str) -> Software:
    """Describe the builds that a run under this allocator uses; MissingAllocator if it is not here."""
    allocator = get_allocator(allocator_name)
    library = allocator.library or find_c_library()
    return Software(
        workbench_version=workbench.__version__,
        python_version=platform.python_version(),
        source_revision=source_revision(),
        runner_checksum=checksum_file(RUNNER),
        allocator_version=allocator.version or UNKNOWN,
        allocator_checksum=checksum_file(library) if library is not None else UNKNOWN,
    )


@cache
def find_c_library() -> Path | None:
    """The C library that this process runs on; None if it is linked in."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    found = re.search(r"(/\S*/libc\.so\.6|/\S*/libc-[\d.]+\.so)\n", maps)
    return Path(found[1]) if found else None


@cache
def source_revision() -> str:
    """Revision of the checkout, "-dirty" if files differ from it; empty for an installed package."""
    if not (_CHECKOUT / ".git").exists():
        return ""
    try:
        answer = subprocess.run(
            ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def describe_origin() -> dict[str, str]:
    """Where and with what something is recorded or exported: lines for people, with this machine's name."""
    machine = describe_machine()
    facts = {
        "machine": f"{platform.node()}, {platform.machine()}",
        "kernel": machine.kernel,
        "processors": str(os.cpu_count() or 0),
        "cpu": machine.cpu,
        "workbench": workbench.__version__,
        "python": platform.python_version(),
        "source revision": source_revision(),
    }
    return {name: text for name, text in facts.items() if text}


def date_now() -> str:
    """Date and time (UTC), such as '2026-11-21T12:42:49Z'."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def checksum_file(path: Path) -> str:
    """sha256 of a file's content in hexadecimal digits, read again only when it has changed.

    If it cannot be read, that is a BadParameter.
    """
    try:
        status = path.stat()
        return _checksum(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise BadParameter(f"{path}: it cannot be read ({error.strerror}); check the path") from None


@cache
def _checksum(path: Path, _size_bytes: int, _changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_cpu() -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", _read_text("/proc/cpuinfo"), flags=re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _read_choice(path: str) -> str:
    match = re.search(r"\[(\w+)\]", _read_text(path))
    return match[1] if match else UNKNOWN
