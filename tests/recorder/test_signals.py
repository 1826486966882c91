"""Signals of a recorded program: as if it ran in the recorder's place."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import PATIENCE_S, WORKBENCH, start, wait_until
from workbench.processes import record

PASSED_ON = (
    signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
    signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP, signal.SIGABRT, signal.SIGRTMIN + 3, signal.SIGTERM,
)  # fmt: skip


@contextmanager
def tell_signals(program: Path, folder: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A recorded program that prints the number of every signal it gets, and ends with SIGTERM."""
    command = [WORKBENCH, "record", "-o", folder / "a", "--spool", folder, "--", program, "signals"]
    with start(command, stderr=subprocess.DEVNULL, **options) as process:
        assert read_line(process) == "ready"
        (program_pid,) = (int(word) for word in read_children(process.pid) if is_program(int(word), program))
        try:
            yield process
        finally:  # it outlives its recorder
            with contextlib.suppress(ProcessLookupError):
                os.kill(program_pid, signal.SIGKILL)


def read_children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def is_program(pid: int, program: Path) -> bool:
    return Path(f"/proc/{pid}/exe").resolve() == program.resolve()


def is_caught(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) & 1 << number - 1)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end_and_count(process: subprocess.Popen[str]) -> list[int]:
    """End it; what it got since, without that."""
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 6
    *numbers, last = [int(line) for line in said.split()]
    assert last == signal.SIGTERM
    return numbers


def test_what_is_sent_to_the_recorder_reaches_the_program(recorded_program: Path, tmp_path: Path) -> None:
    # In a group of its own, as by a shell: a stop there is one for good otherwise.
    with tell_signals(recorded_program, tmp_path, process_group=0) as process:
        for number in PASSED_ON[:-1]:
            process.send_signal(number)
            assert read_line(process) == str(int(number))
            if number == signal.SIGTSTP:  # the recorder stopped, for the shell to see
                _, status = os.waitpid(process.pid, os.WUNTRACED)
                assert os.WIFSTOPPED(status)
                process.send_signal(signal.SIGCONT)
                assert read_line(process) == str(int(signal.SIGCONT))
        assert end_and_count(process) == []


def test_what_is_sent_to_the_group_reaches_the_program_once(recorded_program: Path, tmp_path: Path) -> None:
    with tell_signals(recorded_program, tmp_path, start_new_session=True) as process:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGINT):
            os.killpg(process.pid, number)
            assert read_line(process) == str(int(number))
        process.send_signal(signal.SIGUSR1)  # what was passed on before would stand before this
        assert read_line(process) == str(int(signal.SIGUSR1))
        assert end_and_count(process) == []


def test_ctrl_c_on_a_terminal_reaches_the_program_once(recorded_program: Path, tmp_path: Path) -> None:
    keyboard, terminal = os.openpty()
    modes = termios.tcgetattr(terminal)
    modes[3] |= termios.NOFLSH  # else a key may be thrown away with what was typed before the last one
    termios.tcsetattr(terminal, termios.TCSANOW, modes)

    def take_terminal() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    options = {"start_new_session": True, "preexec_fn": take_terminal}
    with tell_signals(recorded_program, tmp_path, **options) as process:
        for key, number in ((b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT), (b"\x03", signal.SIGINT)):
            os.write(keyboard, key)
            assert read_line(process) == str(int(number))
        process.send_signal(signal.SIGUSR1)
        assert read_line(process) == str(int(signal.SIGUSR1))
        assert end_and_count(process) == []
    os.close(keyboard)
    os.close(terminal)


def read_masks(*words: object, prepare: Callable[[], None]) -> dict[str, str]:
    command = [*map(str, words), "grep", "^Sig[BI]", "/proc/self/status"]
    done = subprocess.run(command, preexec_fn=prepare, capture_output=True, text=True, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


def test_ignored_and_blocked_signals_are_so_in_the_program(tmp_path: Path) -> None:
    def ignore() -> None:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])

    alone = read_masks(prepare=ignore)
    assert int(alone["SigIgn:"], 16) & 1 << signal.SIGHUP - 1
    assert read_masks(WORKBENCH, "record", "-o", tmp_path / "a", "--", prepare=ignore) == alone
    assert read_masks(WORKBENCH, "exec", "--", prepare=ignore) == alone


def test_what_was_ignored_at_first_is_passed_on_later(recorded_program: Path, tmp_path: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with tell_signals(recorded_program, tmp_path, preexec_fn=ignore) as process:
        wait_until(lambda: is_caught(process.pid, signal.SIGHUP))  # once the program has been started
        process.send_signal(signal.SIGHUP)
        assert read_line(process) == str(int(signal.SIGHUP))
        assert end_and_count(process) == []


def test_the_helper_ends_with_the_recorder(recorded_program: Path, tmp_path: Path) -> None:
    with tell_signals(recorded_program, tmp_path, start_new_session=True) as process:
        group = process.pid
        process.kill()
        process.wait(PATIENCE_S)
        wait_until(lambda: list_names(group) == ["recorded"])
        os.killpg(group, signal.SIGKILL)


def list_names(group: int) -> list[str]:
    found = subprocess.run(["ps", "-e", "-o", "pgid=,comm="], capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=1) for line in found.stdout.splitlines()]
    return [name.strip() for number, name in lines if int(number) == group]


def test_a_signal_before_the_program_is_known(
    recorded_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reaches the program: here it comes when the program runs and Popen has not returned yet."""

    class LatePopen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            if arguments[0][0] == str(recorded_program):
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("workbench.processes.trace_recorder.subprocess.Popen", LatePopen)
    before = signal.getsignal(signal.SIGTERM)
    outcome = record([str(recorded_program), "interrupt"], tmp_path / "a", stdout=subprocess.DEVNULL)
    assert outcome.exit_code == -signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
