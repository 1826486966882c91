"""Which programs a preload reaches, and what is said of the others."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment
from workbench.control import Value
from workbench.errors import CannotPreload, ConstraintBroken, OutOfRange, UnknownTunable
from workbench.processes import check_preloadable, preload_environment

TIMEOUT_S = 120


def make_executable(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o755)
    return path


def refuse(command: list[str]) -> str:
    with pytest.raises(CannotPreload) as refusal:
        check_preloadable(command)
    text = str(refusal.value)
    assert "\n" not in text
    assert text.startswith(command[0])
    return text


@pytest.fixture(scope="module")
def static_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    source, program = folder / "hello.c", folder / "hello"
    source.write_text("int main(void) { return 0; }\n")
    compiler = shutil.which("cc")
    assert compiler is not None
    subprocess.run([compiler, "-static", str(source), "-o", str(program)], check=True)
    return program


@pytest.mark.parametrize("name", ["python3", "sh", "ls", sys.executable])
def test_ordinary_programs_are_reached(name: str) -> None:
    assert check_preloadable([name]).name == Path(name).name


def test_a_missing_program_is_refused() -> None:
    assert "no such program on PATH" in refuse(["no-such-program-here"])
    assert "no such file" in refuse(["/no/such/program"])
    assert "not executable" in refuse([__file__])
    assert "a folder" in refuse([str(Path(__file__).parent)])
    with pytest.raises(CannotPreload, match="no command is given"):
        check_preloadable([])


def test_a_static_program_is_refused(static_program: Path) -> None:
    assert "it is static" in refuse([str(static_program)])


@pytest.mark.parametrize(("bit", "word"), [(stat.S_ISUID, "setuid"), (stat.S_ISGID, "setgid")])
def test_a_program_with_another_identity_is_refused(tmp_path: Path, bit: int, word: str) -> None:
    program = Path(shutil.copy(shutil.which("true") or "", tmp_path / "true"))
    check_preloadable([str(program)])
    program.chmod(0o755 | bit)
    assert f"it is {word}" in refuse([str(program)])


def test_a_program_with_capabilities_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Path(shutil.copy(shutil.which("true") or "", tmp_path / "true"))
    # Giving a file capabilities is for root alone, so the file system's answer is made up.
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"\1")
    assert "file capabilities" in refuse([str(program)])


def test_a_program_for_another_machine_is_refused(tmp_path: Path) -> None:
    header = bytearray(Path(sys.executable).resolve().read_bytes()[:4096])
    header[4] = 1  # 32 bits
    assert "another architecture" in refuse([str(make_executable(tmp_path / "narrow", bytes(header)))])
    header[4] = 2
    struct.pack_into("<H", header, 18, 0xF00D)
    assert "another architecture" in refuse([str(make_executable(tmp_path / "foreign", bytes(header)))])


def test_a_program_of_another_c_library_is_refused(tmp_path: Path) -> None:
    content = Path(sys.executable).resolve().read_bytes()
    other = content.replace(b"ld-linux", b"ld-mucls", 1)
    text = refuse([str(make_executable(tmp_path / "other", other))])
    assert "another C library (ld-mucls" in text


def test_what_is_no_program_is_refused(tmp_path: Path) -> None:
    assert "neither a program nor a script" in refuse([str(make_executable(tmp_path / "text", "hello\n"))])
    assert "neither a program nor a script" in refuse([str(make_executable(tmp_path / "empty", ""))])


@pytest.mark.parametrize(
    "line",
    ["#!/bin/sh", "#! /bin/sh -e", "#!/usr/bin/env sh", "#!/usr/bin/env -S LANG=C sh -e"],
)
def test_a_script_is_reached_by_its_interpreter(tmp_path: Path, line: str) -> None:
    script = make_executable(tmp_path / "script", f"{line}\ntrue\n")
    assert check_preloadable([str(script)]) == script


def test_a_script_of_an_unreachable_interpreter_is_refused(tmp_path: Path, static_program: Path) -> None:
    script = str(make_executable(tmp_path / "script", f"#!{static_program} -x\n"))
    text = refuse([script])
    assert f"its interpreter {static_program}: it is static" in text
    assert "no such file" in refuse([str(make_executable(tmp_path / "lost", "#!/no/interpreter\n"))])
    outer = make_executable(tmp_path / "outer", f"#!{script}\n")
    assert "it is static" in refuse([str(outer)])


def test_a_script_that_is_its_own_interpreter_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "loop"
    make_executable(script, f"#!{script}\n")
    assert "scripts of scripts" in refuse([str(script)])


def test_the_environment_preloads_ours_first() -> None:
    ours = run_environment(get_allocator("hakmem").library)["LD_PRELOAD"]
    environment = preload_environment({}, {"LD_PRELOAD": f"/lib/one.so {ours}:/lib/two.so", "KEPT": "1"})
    assert environment == {"LD_PRELOAD": f"{ours}:/lib/one.so:/lib/two.so", "KEPT": "1"}


def test_the_environment_carries_the_settings() -> None:
    settings: dict[str, Value] = {
        "tls.max_slots": 1024,
        "tls.max_bytes": "1KiB",
        "big.load_factor": 0.5,
        "route.profile": "hot",
        "purge.background": True,
    }
    environment = preload_environment(settings, {})
    del environment["LD_PRELOAD"]
    assert environment == {
        "HAKMEM_TLS_MAX_SLOTS": "1024",
        "HAKMEM_TLS_MAX_BYTES": "1024",
        "HAKMEM_BIG_LOAD_FACTOR": "0.5",
        "HAKMEM_ROUTE_PROFILE": "hot",
        "HAKMEM_PURGE_BACKGROUND": "1",
    }


def test_settings_that_a_block_would_refuse_are_refused() -> None:
    with pytest.raises(UnknownTunable, match=r"tls\.max_slots"):
        preload_environment({"tls.max_slot": 1})
    with pytest.raises(OutOfRange, match=r"tls\.max_slots"):
        preload_environment({"tls.max_slots": 1e6})
    with pytest.raises(ConstraintBroken, match=r"tls\.initial_slots"):
        preload_environment({"tls.max_slots": 32})
    # What takes effect at start may be given here.
    assert "HAKMEM_BIG_INITIAL_BUCKETS" in preload_environment({"big.initial_buckets": 512})


def test_a_program_runs_the_same_under_it() -> None:
    program = "import json, threading; print(sum(len(json.dumps(list(range(n)))) for n in range(300)))"
    plain, preloaded = (
        subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        for environment in (
            {"PATH": os.defpath},
            preload_environment({"check.level": 3}, {"PATH": os.defpath, "PYTHONMALLOC": "malloc"}),
        )
    )
    assert (preloaded.stdout, preloaded.stderr) == (plain.stdout, "")


def complaint_of(name: str, value: str) -> str:
    return subprocess.run(
        ["true"],
        env={**preload_environment({}, {"PATH": os.defpath}), name: value},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    ).stderr


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("HAKMEM_TLS_FOO", "1", "no tunable"),
        ("HAKMEM_TLS_GROW_PERCENT", "200", "from 50 to 99 %"),
        ("HAKMEM_TLS_GROW_PERCENT", "80 %", "from 50 to 99 %"),
        ("HAKMEM_TLS_GROW_PERCENT", "80KiB", "from 50 to 99 %"),
        ("HAKMEM_TLS_GROW_PERCENT", "79.5", "no whole number from 50"),
        ("HAKMEM_TLS_MAX_BYTES", "2 GiB", "from 0 bytes to 1 GiB"),
        ("HAKMEM_TLS_MAX_BYTES", "KiB", "from 0 bytes to 1 GiB"),
        ("HAKMEM_TLS_MAX_BYTES", "", "from 0 bytes to 1 GiB"),
        ("HAKMEM_BIG_MAX_ENTRIES", "-1", "from 0 to 1048576 entries"),
        ("HAKMEM_SS_PURGE_DELAY_MS", "-2", "from -1 to 60000 ms"),
        ("HAKMEM_BIG_LOAD_FACTOR", "0.2", "no number from 0.25 to 4 entries/bucket"),
        ("HAKMEM_TLS_ADAPTIVE", "maybe", "none of off, on"),
        ("HAKMEM_ROUTE_PROFILE", "warm", "none of conservative, hot, off, full"),
        ("HAKMEM_CONTROL", "maybe", "none of off, read, write"),
    ],
)
def test_what_the_environment_says_wrongly_is_named(name: str, value: str, remedy: str) -> None:
    complaint = complaint_of(name, value)
    assert complaint.startswith(f"hakmem: {name}={value} is no")
    assert remedy in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HAKMEM_LOG", "0"),
        ("HAKMEM_LOG", "off"),
        ("HAKMEM_ADAPTIVE_SIZING", "off"),
        ("HAKMEM_TLS_ADAPTIVE", "on"),
        ("HAKMEM_TINY_PROFILE", "hot"),
        ("HAKMEM_TLS_MAX_BYTES", "64KiB"),
        ("HAKMEM_BIG_MAX_BYTES", "1.5 GiB"),
    ],
)
def test_what_the_environment_says_rightly_is_taken_in_silence(name: str, value: str) -> None:
    assert complaint_of(name, value) == ""
