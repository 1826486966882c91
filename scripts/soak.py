"""`make soak`: the long forms of the tests of reliability, row by row, and the page that tells of them.

    .venv/bin/python -m scripts.soak [--size full|short] [ROW ...]

A row is a promise, the test that shows it and a figure. Logs stay in build/soak; docs/soak.json keeps the
last outcome of each row and docs/reliability.md its table. The full size takes four hours on two processors.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from scripts.soak_runs import BUILD, LOGS, REPOSITORY, NotKept, preloaded, run_cpython, run_logged, run_redis
from workbench.allocators import RUNNER

KEPT = REPOSITORY / "docs" / "soak.json"
PAGE = REPOSITORY / "docs" / "reliability.md"
BEGINS, ENDS = "<!-- the table of the last soak begins -->", "<!-- and ends -->"

SANITIZERS = {"asan": "address", "ubsan": "undefined", "tsan": "thread"}
CLANG = ("-DCMAKE_C_COMPILER=clang",)
BUILDS = {
    "tests": ("-DHAKMEM_TESTS=ON",),
    "fuzz": (*CLANG, "-DHAKMEM_FUZZERS=ON", "-DHAKMEM_SANITIZER=address"),
    **{one: (*CLANG, "-DHAKMEM_TESTS=ON", f"-DHAKMEM_SANITIZER={kind}") for one, kind in SANITIZERS.items()},
}
LARSON = {"min_size": 8, "max_size": 128, "blocks": 1024, "rounds": 1}


# ---- running ----------------------------------------------------------------------------------------


def build(name: str, target: str = "all") -> Path:
    """Folder of a build of the native parts that is up to date."""
    path = BUILD / name
    configure = ["cmake", "-S", "native", "-B", str(path), "-G", "Ninja", "-DHAKMEM_PYTHON=OFF"]
    run_logged("build", [*configure, *BUILDS[name]], 600)
    run_logged("build", ["cmake", "--build", str(path), "--target", target], 1800)
    return path


def run_workload(row: str, workload: str, *, seed: int, cap_s: float, **options: Any) -> dict[str, Any]:
    """The report of one run on the allocator; further options are the runner's, and its parameters."""
    command = [str(RUNNER), "--workload", workload, "--seed", str(seed)]
    for key, value in options.items():
        given = [f"--{key}", str(value)] if key in ("seconds", "operations", "threads") else []
        command += given or ["--param", f"{key}={value}"]
    report: dict[str, Any] = json.loads(run_logged(row, command, cap_s, preloaded()))
    if report["status"] != "completed":
        raise NotKept(f"{workload}, seed {seed}: {report['status']}")
    return report


def run_pytest(row: str, *words: str, cap_s: int, environment: Mapping[str, str] | None = None) -> str:
    """How many tests passed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    last = run_logged(row, command, cap_s, environment).strip().splitlines()[-1]
    return last.partition(" in ")[0]


# ---- rows -------------------------------------------------------------------------------------------


def run_stress(size: str, name: str = "stress") -> str:
    """The stress test with assertions; under a sanitizer, if the row is one's."""
    full_s, short_s, seed = (600, 25, 12) if name in SANITIZERS else (3600, 60, 11)
    seconds = full_s if size == "full" else short_s
    program = build(name if name in SANITIZERS else "tests") / "stress"
    said = run_logged(name, [program, "--seconds", str(seconds), "--seed", str(seed)], seconds + 900)
    found = re.search(r"stress: ok, (\d+) operations in ([\d.]+) s, .*?(\d+) sets", said)
    if not found:
        raise NotKept("it did not say that all is well")
    operations, elapsed_s, sets = found.groups()
    millions = int(operations) / 1e6
    return f"clean: {millions:.1f} M operations in {float(elapsed_s):.0f} s, {sets} sets of tunables"


def run_memcheck(size: str) -> str:
    """The stress test under Valgrind, which must find nothing."""
    operations = 400_000 if size == "full" else 20_000
    program = build("tests") / "stress"
    command = ["valgrind", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=definite"]
    said = run_logged("memcheck", [*command, program, "--operations", str(operations)], 7200)
    if "ERROR SUMMARY: 0 errors" not in said:
        raise NotKept("Valgrind found errors")
    lost = re.search(r"definitely lost: ([\d,]+) bytes", said)
    return f"0 errors in {operations} operations, {lost.group(1) if lost else '0'} bytes lost"


def run_metadata(size: str) -> str:
    """Rounds of threads, settings and children, without growth."""
    program = build("tests") / "metadata"
    said = run_logged("metadata", [program, "6000" if size == "full" else "600"], 3600)
    return said.strip().removeprefix("metadata: ok, ")


def run_larson(size: str, seconds: int) -> str:
    """Many runs of larson with 4 threads."""
    wanted = {1: 1000, 10: 100}[seconds] if size == "full" else {1: 20, 10: 3}[seconds]
    row = "larson" if seconds == 1 else "larson_long"
    rates, resident_bytes = [], 0
    for seed in range(wanted):
        options = LARSON | {"seconds": seconds, "threads": 4}
        report = run_workload(row, "larson", seed=seed, cap_s=seconds + 120, **options)
        rates.append(report["operations_per_s"] / 1e6)
        resident_bytes = max(resident_bytes, report["peak_resident_bytes"])
    return (
        f"{wanted} of {wanted} runs; median {statistics.median(rates):.1f} M ops/s, "
        f"at most {resident_bytes / 2**20:.1f} MiB resident"
    )


def run_random_mixed(_: str) -> str:
    """50 million operations, small and large working set, one thread and four."""
    told = []
    for slots, threads in itertools.product((256, 8192), (1, 4)):
        options = {"operations": 50_000_000, "threads": threads, "slots": slots}
        report = run_workload("random_mixed", "random_mixed", seed=3, cap_s=1200, **options)
        if report["operations"] != 50_000_000:
            raise NotKept(f"only {report['operations']} operations were done")
        told.append(f"{report['peak_resident_bytes'] / 2**20:.1f}")
    return f"4 runs of 50 M (256 and 8192 slots, 1 and 4 threads), {', '.join(told)} MiB resident at most"


def run_sh8(size: str) -> str:
    """The batches of sh8 for a long time, watched from outside: resident memory does not creep up."""
    seconds = 600 if size == "full" else 30
    words = ["--workload", "sh8", "--seconds", str(seconds), "--threads", "4", "--seed", "5"]
    environment = dict(os.environ) | preloaded()
    resident_mib: list[float] = []
    with subprocess.Popen(
        [str(RUNNER), *words], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            resident_mib.append(watched.memory_info().rss / 2**20)
            time.sleep(0.1)
        report = json.loads(process.communicate()[0] or "{}")
    (LOGS / "sh8.log").write_text(
        json.dumps({"report": report, "resident_mib": resident_mib}), encoding="utf-8"
    )
    if process.returncode != 0 or report.get("status") != "completed":
        raise NotKept(f"status {process.returncode}")
    parts = len(resident_mib) // 10
    early, late = resident_mib[parts : 2 * parts], resident_mib[-parts - 5 : -5]
    if max(late) > 1.5 * max(early) + 8:
        raise NotKept(f"resident memory grew from {max(early):.1f} to {max(late):.1f} MiB")
    return (
        f"{report['operations'] / 1e9:.2f} G operations in {seconds} s; resident {max(early):.1f} MiB "
        f"in the second tenth, {max(late):.1f} MiB in the last"
    )


def run_aftermath(size: str) -> str:
    """What is left of a workload's memory once all of it is freed and trimmed."""
    seconds = 60 if size == "full" else 5
    workloads = ("larson", "random_mixed", "sh8")
    command = [sys.executable, "tests/reliability/aftermath.py", str(seconds), *workloads]
    told = []
    for outcome in json.loads(run_logged("aftermath", command, 30 * seconds + 600)):
        if outcome["status"] != "completed" or outcome["heap.handed_out_bytes"]:
            raise NotKept(
                f"{outcome['workload']}: {outcome['status']}, {outcome['heap.handed_out_bytes']} bytes"
            )
        more_mib = (outcome["resident_after_bytes"] - outcome["resident_before_bytes"]) / 2**20
        committed_mib = outcome["os.committed_bytes"] / 2**20
        told.append(f"{outcome['workload']} {committed_mib:.1f} MiB committed, {more_mib:+.1f} MiB resident")
    return f"after {seconds} s each: {'; '.join(told)}"


SYSTEM_CALLS = ("mmap", "munmap", "madvise", "mremap", "pthread_create")
FAULTS = (*SYSTEM_CALLS, "file", "any", "occupied", "outside", "limit")
INTEGRITY = {"HAKMEM_CHECK_LEVEL": "3", "HAKMEM_SS_PURGE_DELAY_MS": "0"}


def run_faults(size: str) -> str:
    """Every system call fails at every moment; with and without a range, integrity checks, sanitizers."""
    step, moments, refused = "1" if size == "full" else "9", 0, 0
    for folder in (build("tests"), build("asan", "faults")):
        for settings in ({}, INTEGRITY):
            for kind in FAULTS:
                if kind == "limit" and folder.name == "asan":
                    continue  # the sanitizer needs room of its own
                for span in ("0",) if kind == "limit" else ("1", "3", "0"):
                    said = run_logged("faults", [folder / "faults", kind, span, step], 7200, settings)
                    found = re.search(r"ok, (\d+) moments, (\d+) calls refused", said)
                    if not found:
                        raise NotKept(f"{kind} {span} said {said[:100]!r}")
                    moments += int(found.group(1))
                    refused += int(found.group(2))
    return (
        f"{moments} moments, {refused} calls refused with ENOMEM, all structures valid; "
        "half of them under AddressSanitizer"
    )


def run_more(size: str, *, name: str, path: str, full: int, only: str = "") -> str:
    """Tests that repeat what they do in make check."""
    factor = str(full if size == "full" else 2)
    options = ("--timeout=7200", path, *(("-k", only) if only else ()))
    said = run_pytest(name, *options, cap_s=7200, environment={"SOAK_FACTOR": factor})
    return f"{said}, {factor} times the rounds of make check"


run_storms = partial(run_more, name="storms", path="tests/reliability/test_storms.py", full=20)
run_kills = partial(run_more, name="kills", path="tests/experiments/test_live.py", full=50, only="killed")
run_injections = partial(run_more, name="inject", path="tests/agents/test_inject.py", full=50)


def run_fuzzers(size: str) -> str:
    """All fuzz targets, from the kept corpus."""
    build("fuzz", "fuzzers")
    seconds = 600 if size == "full" else 30
    said = run_logged("fuzz", [sys.executable, "tests/fuzz/run.py", str(seconds)], 4 * seconds + 1800)
    counts = re.findall(r"^fuzz_(\w+): (\d+) inputs", said, flags=re.MULTILINE)
    return f"{', '.join(f'{name} {count}' for name, count in counts)} inputs in {seconds} s each, no finding"


def run_programs(_: str) -> str:
    """SQLite, Redis, Perl, git, compilers and Python under the preload, our scripts of them."""
    return run_pytest("programs", "tests/programs", "tests/contracts", cap_s=3600)


_WORK = (
    "random work of threads that come and go, every tunable changed all the while, "
    "every block's content checked"
)
_SAME = "the same under"
_METADATA = "what the allocator keeps for itself does not grow"
_AFTERMATH = "after larson, random_mixed and sh8 their memory is with the system again"
_STORMS = "forks from threads, signals, cancelled threads, modules, exec"
_INJECT = "a hundred times the agent into each: a busy program, Python with threads, Redis under load"
_KILLS = "a hundred live experiments killed, under hakmem and with the agent: A is back a hundred times"
# A row's promise, the test that shows it, and what does it: given the size ('full' or 'short'), it gives the
# figure or raises NotKept.
ROWS: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "stress": (_WORK, "`tests/native/stress.c`", run_stress),
    "asan": (f"{_SAME} AddressSanitizer, no suppressions", "same", partial(run_stress, name="asan")),
    "ubsan": (f"{_SAME} UndefinedBehaviorSanitizer", "same", partial(run_stress, name="ubsan")),
    "tsan": (f"{_SAME} ThreadSanitizer, no suppressions", "same", partial(run_stress, name="tsan")),
    "memcheck": (f"{_SAME} Valgrind's memcheck", "same", run_memcheck),
    "metadata": (_METADATA, "`tests/faults/metadata.c`", run_metadata),
    "faults": ("any system call may fail at any moment", "`tests/faults/faults.c`", run_faults),
    "larson": ("larson, 4 threads, 1 s: every run survives", "`hakmem-run`", partial(run_larson, seconds=1)),
    "larson_long": ("larson, 4 threads, 10 s", "`hakmem-run`", partial(run_larson, seconds=10)),
    "random_mixed": ("50 M operations of random_mixed", "`hakmem-run`", run_random_mixed),
    "sh8": ("sh8 for minutes: no failure, no growth", "`hakmem-run`", run_sh8),
    "aftermath": (_AFTERMATH, "`tests/reliability/aftermath.py`", run_aftermath),
    "storms": (_STORMS, "`tests/reliability/storms.c`", run_storms),
    "inject": (_INJECT, "`tests/agents/test_inject.py`", run_injections),
    "kills": (_KILLS, "`tests/experiments/test_live.py`", run_kills),
    "fuzz": ("fuzzing of the allocator and of all readers", "`tests/fuzz/`", run_fuzzers),
    "cpython": ("CPython's tests with PYTHONMALLOC=malloc", "`libpython3-testsuite`", run_cpython),
    "redis": ("Redis's own tests, the program as installed", "its `runtest`", run_redis),
    "programs": (
        "programs and the rules of the C library",
        "`tests/programs`, `tests/contracts`",
        run_programs,
    ),
}


# ---- keeping ----------------------------------------------------------------------------------------


def attempt(name: str, size: str) -> dict[str, Any]:
    """What there is to keep of one row."""
    (LOGS / f"{name}.log").unlink(missing_ok=True)
    started_s = time.monotonic()
    try:
        figure, is_kept = ROWS[name][2](size), True
    except (NotKept, subprocess.TimeoutExpired, OSError) as error:
        figure, is_kept = str(error), False
    command = ["git", "rev-parse", "--short", "HEAD"]
    said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return {
        "figure": figure,
        "kept": is_kept,
        "size": size,
        "seconds": round(time.monotonic() - started_s),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "revision": said.stdout.strip() or "?",
        "machine": f"{os.cpu_count()} processors, Linux {platform.release().partition('-')[0]}",
    }


def write_page(outcomes: Mapping[str, Mapping[str, Any]]) -> None:
    """Puts the table into the page."""
    lines = ["| promise | test | row | last figure |", "| --- | --- | --- | --- |"]
    for name, (promise, test, _) in ROWS.items():
        outcome = outcomes.get(name)
        told = "not run yet"
        if outcome:
            word = "" if outcome["kept"] else "**not kept**: "
            when = f"{outcome['size']}, {outcome['seconds']} s, {outcome['date']}, {outcome['revision']}"
            told = f"{word}{outcome['figure']} ({when})"
        lines.append(f"| {promise} | {test} | `{name}` | {told.replace('|', '/')} |")
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGINS)[0], text.partition(ENDS)[2]
    PAGE.write_text(f"{before}{BEGINS}\n\n" + "\n".join(lines) + f"\n\n{ENDS}{after}", encoding="utf-8")


def main() -> int:
    """The status is 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", choices=("full", "short"), default="full")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    wanted = parser.parse_args()
    unknown = set(wanted.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row is named {', '.join(sorted(unknown))}")
    LOGS.mkdir(parents=True, exist_ok=True)
    is_all_kept = True
    for name in ROWS:
        if wanted.rows and name not in wanted.rows:
            continue
        outcome = attempt(name, wanted.size)
        # Read only now: others may run rows of their own meanwhile.
        outcomes = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
        outcomes[name] = outcome
        is_all_kept = is_all_kept and outcome["kept"]
        print(f"{name}: {'' if outcome['kept'] else 'NOT KEPT: '}{outcome['figure']}", flush=True)
        KEPT.write_text(json.dumps(outcomes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        write_page(outcomes)
    return 0 if is_all_kept else 1


if __name__ == "__main__":
    sys.exit(main())
