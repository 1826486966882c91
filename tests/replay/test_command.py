"""workbench replay, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.replay import programs
from tests.replay.conftest import count_events
from workbench.cli import cli


@pytest.fixture
def invoke() -> Callable[..., Result]:
    """Run a command in this process."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(cli, ["replay", *(str(word) for word in words)])

    return run


def test_a_report_for_people(invoke: Callable[..., Result], mixed: Path) -> None:
    result = invoke(mixed, "--allocator", "glibc", "--loops", 2)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "mixed.haktrace under glibc, 1 thread: completed"
    assert lines[1].startswith(f"  {2 * count_events(mixed)} events in ")
    assert "resident at most" in lines[3]


def test_json_has_the_course(invoke: Callable[..., Result], tmp_path: Path) -> None:
    script = programs.Script(step_ns=1_000_000)
    for _ in range(300):
        script.allocate(0, 5000)
    path = programs.write(tmp_path / "t.haktrace", script)
    result = invoke(path, "--speed", "recorded", "--set", "tls.initial_slots=32", "--touch", "all", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["status"] == "completed"
    assert (told["operations"], told["trace_events"], told["threads"]) == (300, 300, 1)
    assert told["parameters"] == {"speed": 100.0, "loops": 1.0, "touch": 3}
    assert told["tunables"] == {"tls.initial_slots": 32}
    assert told["elapsed_s"] >= 0.299
    course = told["course"]
    assert len(course["live_bytes"]) == len(course["position_s"]) > 0
    assert 0 < max(course["live_bytes"]) <= 300 * 5000


def test_seconds_repeat_the_trace(invoke: Callable[..., Result], mixed: Path) -> None:
    told = json.loads(invoke(mixed, "--seconds", 0.2, "--json").stdout)
    assert told["status"] == "completed"
    assert told["operations"] > told["trace_events"]


def test_two_commands_say_the_same_checksum(invoke: Callable[..., Result], pipeline: Path) -> None:
    first, second = (
        json.loads(invoke(pipeline, "--allocator", name, "--json").stdout) for name in ("glibc", "hakmem")
    )
    assert first["checksum"] == second["checksum"]


def test_what_precedes_damage_is_replayed_and_said_so(invoke: Callable[..., Result], mixed: Path) -> None:
    content = mixed.read_bytes()
    mixed.write_bytes(content[: len(content) * 2 // 3])
    result = invoke(mixed)
    assert result.exit_code == 0
    assert "what precedes it is replayed" in result.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--speed", "fast"], "speed: 'fast' is not max, recorded or a factor"),
        (["--speed", ""], "speed: '' is not max, recorded or a factor"),
        (["--speed", "0"], "speed: 0 is not a factor of 0.01 to 10000"),
        (["--speed", "nan"], "speed: nan is not a factor"),
        (["--speed", "inf"], "speed: inf is not a factor"),
        (["--speed", "10001"], "speed: 10001 is not a factor"),
        (["--speed", "0.001"], "speed: 0.001 is not a factor"),
        (["--allocator", "hakmen"], "did you mean 'hakmem'"),
        (["--allocator", "glibc", "--set", "tls.initial_slots=1"], "unknown tunable"),
        (["--loops", "0"], "0 is not in the range"),
        (["--touch", "some"], "'some' is not one of"),
    ],
)
def test_wrong_words_are_one_line(
    invoke: Callable[..., Result], mixed: Path, words: list[str], complaint: str
) -> None:
    result = invoke(mixed, *words)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_missing_trace_is_named(invoke: Callable[..., Result], tmp_path: Path) -> None:
    result = invoke(tmp_path / "none.haktrace")
    assert result.exit_code == 2
    assert "none.haktrace" in result.stderr


def test_the_command_is_listed() -> None:
    assert "replay" in CliRunner().invoke(cli, ["--help"]).stdout
