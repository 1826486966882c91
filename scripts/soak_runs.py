"""What the rows of `make soak` have in common, and those that run other programs' own tests.

CPython's tests are a package of Debian's. Redis's are in its source package alone: that of the very version
that is installed comes once from where this machine has its packages from, and stays in build/suites. Each
must end as it does without the preload.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench.allocators import run_environment
from workbench.processes import preload_environment

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / "build"
LOGS = BUILD / "soak"
SUITES = BUILD / "suites"
CPYTHON = "/usr/bin/python3"
CPYTHON_MODULES = {
    "short": "test_fork1 test_thread test_mmap test_ctypes test_threading test_subprocess",
    "full": "test_array test_asyncio test_bigmem test_buffer test_bytes test_codecs "
    "test_concurrent_futures test_ctypes test_deque test_dict test_exceptions test_faulthandler "
    "test_fork1 test_gc test_io test_itertools test_json test_list test_memoryview test_mmap "
    "test_multiprocessing_fork test_multiprocessing_spawn test_os test_pickle test_posix "
    "test_re test_set test_signal test_socket test_sort test_sqlite3 test_struct "
    "test_subprocess test_thread test_threading test_unicode test_weakref test_xml_etree "
    "test_zlib",
}

REDIS_UNITS = {
    "short": "unit/type/incr unit/type/hash unit/type/list-2 unit/keyspace unit/scan unit/sort unit/protocol",
    # The long ones first: each client takes the next unit.
    "full": "integration/aof unit/scripting unit/functions unit/type/list-3 unit/type/stream unit/multi "
    "unit/expire integration/rdb unit/dump unit/keyspace unit/scan unit/protocol unit/info "
    "unit/type/string unit/type/incr unit/type/list unit/type/list-2 unit/type/set unit/type/zset "
    "unit/type/hash unit/type/stream-cgroups unit/sort unit/other unit/quit unit/pubsub "
    "unit/slowlog unit/limits unit/bitops unit/bitfield unit/geo unit/hyperloglog unit/lazyfree",
}
REDIS_TRIES = 3  # many cases are measured in milliseconds and fail by chance on a busy machine


class NotKept(Exception):  # noqa: N818 (a word like those of workbench.errors)
    """A row's promise was not kept; the message says how."""


def run_logged(
    name: str,
    command: Sequence[str | Path],
    cap_s: float,
    environment: Mapping[str, str] | None = None,
    *,
    folder: Path = REPOSITORY,
    may_fail: bool = False,
) -> str:
    """What a command printed, also for the row's log; NotKept if it takes too long, or fails and may not."""
    base = {key: value for key, value in os.environ.items() if not key.startswith("HAKMEM_")}
    words = [str(word) for word in command]
    with (LOGS / f"{name}.log").open("a", encoding="utf-8") as log:
        print("$", *words, file=log, flush=True)
        try:
            done = subprocess.run(
                words,
                env=base | dict(environment or {}),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=cap_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotKept(f"{Path(words[0]).name} did not end in {cap_s:.0f} s") from None
        log.write(done.stdout)
    if done.returncode != 0 and not may_fail:
        last = (done.stdout.strip().splitlines() or [""])[-1]
        raise NotKept(f"{Path(words[0]).name} ended with status {done.returncode}: {last[:200]}")
    return done.stdout


def preloaded() -> dict[str, str]:
    """The environment of a program under the allocator."""
    return dict(preload_environment({}, run_environment(None)))


def run_cpython(size: str) -> str:
    """CPython's own tests, as Debian packages them: each module must end as it does without the preload."""
    modules = CPYTHON_MODULES[size].split()
    verdicts = []
    for environment in ({}, preloaded()):
        # On some virtual machines a test of test_socket waits for its host for ever.
        command = [CPYTHON, "-m", "test", "-j2", "--timeout", "1200", "--ignore", "*VSOCK*", *modules]
        given = environment | {"PYTHONMALLOC": "malloc"}
        # A module may fail here for reasons of the machine: then it does so both ways.
        said = run_logged("cpython", command, 7200, given, may_fail=True)
        verdicts.append(dict(re.findall(r"\] (test_\w+) (passed|failed|skipped|crashed|timed out)", said)))
    without, under = verdicts
    different = {name for name in modules if without.get(name) != under.get(name)}
    if different:
        raise NotKept(f"another verdict: {', '.join(sorted(different))}")
    passed = sum(verdict == "passed" for verdict in under.values())
    return f"{len(under)} modules, same verdict with and without ({passed} passed)"


def fetch_source(row: str, package: str) -> Path:
    """Folder of the unpacked source of an installed package, of the same version."""
    fields = "${source:Package} ${source:Version}"
    name, version = run_logged(row, ["dpkg-query", "-W", "-f", fields, package], 60).split()
    folder = SUITES / f"{name}_{version.rpartition(':')[2]}"
    whole = folder / "unpacked"
    if not whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "lists" / "partial").mkdir(parents=True)
        origin = f"Origin: {platform.freedesktop_os_release()['NAME'].split()[0]}"
        entry = "deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)"
        command = ["apt-get", "indextargets", "--format", entry, "Created-By: Packages", origin]
        entries = sorted(set(run_logged(row, command, 60).splitlines()))
        (folder / "sources.list").write_text("".join(f"{line}\n" for line in entries), encoding="utf-8")
        apt = ["apt-get", "-q", "-o", f"Dir::Etc::sourcelist={folder / 'sources.list'}"]
        apt += ["-o", "Dir::Etc::sourceparts=/dev/null", "-o", f"Dir::State::lists={folder / 'lists'}"]
        run_logged(row, [*apt, "update"], 600)
        run_logged(row, [*apt, "--only-source", "source", f"{name}={version}"], 900, folder=folder)
        unpacked = next(path for path in folder.iterdir() if (path / "debian").is_dir())
        unpacked.rename(whole)
    return whole


class RedisRun:
    """One way to run the tests; `port` is the first of 3000 that its servers take."""

    def __init__(self, name: str, environment: dict[str, str], port: int, source: Path) -> None:
        self.name = name
        self.environment = environment
        self.port = port
        self.cases: Counter[str]
        self.failed: set[tuple[str, str]]  # unit, case
        # A copy of the tests, with the installed programs where they look for built ones.
        self.folder = SUITES / f"redis_{name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder, symlinks=True)
        for program in ("server", "cli", "benchmark", "check-aof", "check-rdb", "sentinel"):
            if found := shutil.which(f"redis-{program}"):
                (self.folder / "src" / f"redis-{program}").symlink_to(found)

    def run(self, units: Iterable[str]) -> tuple[Counter[str], set[tuple[str, str]]]:
        """How often each case was seen, and those that failed; NotKept if the tests ended early."""
        words = ["./runtest", "--clients", "6", "--baseport", str(self.port), "--portcount", "3000"]
        words += [word for unit in units for word in ("--single", unit)]
        said = run_logged(
            f"redis_{self.name}", words, 7200, self.environment, folder=self.folder, may_fail=True
        )
        said = re.sub(r"\x1b\[[\d;]*m", "", said)
        if "The End" not in said:
            raise NotKept(f"the tests {self.name} the preload ended early, see redis_{self.name}.log")
        ended = re.findall(r"^\[ok\]: (.*?)(?: \(\d+ ms\))?$", said, flags=re.MULTILINE)
        failed = re.findall(r"^\[err\]: (.*) in tests/(\S+)\.tcl$", said, flags=re.MULTILINE)
        return Counter([*ended, *(case for case, _ in failed)]), {(unit, case) for case, unit in failed}

    def run_again(self, cases: set[tuple[str, str]]) -> None:
        """The units of these, as far as they failed: a case that passes now has passed."""
        if units := sorted({unit for unit, _ in cases & self.failed}):
            _, failed = self.run(units)
            self.failed -= {(unit, case) for unit, case in self.failed - failed if unit in units}


def run_redis(size: str) -> str:
    """Redis's own tests on the installed server: each case must end as it does without the preload."""
    source = fetch_source("redis", "redis-tools")
    units = REDIS_UNITS[size].split()
    without, under = RedisRun("without", {}, 21000, source), RedisRun("with", preloaded(), 25000, source)
    runs = (without, under)
    # Both at once: most of their time they wait.
    with ThreadPoolExecutor() as pool:
        (without.cases, without.failed), (under.cases, under.failed) = pool.map(
            lambda run: run.run(units), runs
        )
    if without.cases != under.cases:
        other = sorted((without.cases - under.cases) + (under.cases - without.cases))
        raise NotKept(f"{len(other)} cases were run in one way only, as {other[0]!r}")
    first = [len(run.failed) for run in runs]
    for _ in range(REDIS_TRIES - 1):
        different = without.failed ^ under.failed
        for run in runs:
            run.run_again(different)
    different = without.failed ^ under.failed
    if different:
        raise NotKept(f"another verdict: {', '.join(f'{unit}: {case}' for unit, case in sorted(different))}")
    both = len(without.failed & under.failed)
    return (
        f"{under.cases.total()} test cases of {len(units)} units, same verdict with and without ({both} fail "
        f"both ways; before other tries {first[1]} with and {first[0]} without)"
    )
