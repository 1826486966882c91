"""The start of a command: it imports what it needs, and Ctrl-C ends it without a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import WORKBENCH, Program, run_workbench

SLOW = ("numpy", "pandas", "pyarrow", "scipy", "plotly", "optuna", "sqlalchemy", "IPython", "rich")

# Runs a command in this process and tells which of the slow libraries it has imported.
TELL_IMPORTS = """
import os, sys
from workbench.__main__ import main
def tell():
    sys.stderr.write("imported:" + " ".join(sorted(set({slow}) & set(sys.modules))))
    sys.stderr.flush()
def no_exec(*_):
    tell()
    os._exit(0)
os.execvpe = no_exec
try:
    main()
finally:
    tell()
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["ps"],
        ["ps", "--json"],
        ["exec", "--", "true"],
        ["exec", "--set", "tls.grow_percent=60", "--", "true"],
        ["allocators"],
        ["workloads"],
        ["preload"],
    ],
    ids=" ".join,
)
def test_what_is_quick_imports_nothing_slow(words: list[str]) -> None:
    assert list_slow_imports(words) == []


def test_set_imports_nothing_slow(program: Program) -> None:
    assert list_slow_imports(["set", str(program.pid), "tls.grow_percent=61"]) == []
    assert "numpy" in list_slow_imports(["metrics", str(program.pid)])


def list_slow_imports(words: list[str]) -> list[str]:
    script = TELL_IMPORTS.format(slow=repr(SLOW))
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.rpartition("imported:")[2].split()


def test_python_dash_m_is_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, run_workbench("--version").stdout)


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["ps"], "workbench.cli"),
        (["ps"], "workbench.commands.blocks"),
        (["ps"], "workbench.bindings.native"),
        (["compare", "pair"], "numpy"),
        (["compare", "pair"], "pandas.core.frame"),
        (["sweep", "plan.toml"], "workbench.experiments.plan"),
        (["tune", "study.toml"], "optuna.storages"),
        (["verify", "tuned.toml"], "workbench.export.verification"),
        (["trace", "plot", "jq"], "plotly"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_an_interrupt_during_an_import_is_silent(words: list[str], module: str, tmp_path: Path) -> None:
    # Ctrl-C comes just as the module is looked for, whatever else the machine does.
    script = f"""
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from workbench.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_while_python_itself_starts_is_silent(tmp_path: Path) -> None:
    # It has come before Python's first instruction, as it would anywhere up to our first line.
    if b"--block-signal" not in WORKBENCH.read_bytes():
        pytest.skip("env of this machine blocks no signals")
    early = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}); "
        "os.kill(os.getpid(), signal.SIGINT); os.execv(sys.argv[1], sys.argv[1:])"
    )
    for words in (["ps"], ["exec", "--", "sleep", "600"]):
        done = subprocess.run(
            [sys.executable, "-c", early, WORKBENCH, *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_no_module_is_taken_from_the_folder_one_is_in(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('taken from here')")
    (tmp_path / "workbench.py").write_text("raise SystemExit('taken from here')")
    assert run_workbench("--version", cwd=tmp_path).stdout.startswith("workbench ")


def test_an_interrupt_that_is_ignored_stays_ignored() -> None:
    # As a background job of a script has it: neither the start nor the program that `exec` runs is ended.
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [str(WORKBENCH), "exec", "--", "sh", "-c", "kill -INT $$; echo alive"]
    done = subprocess.run(
        [sys.executable, "-c", ignoring, *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
