"""Nothing read from disk is executed, and nothing listens to anybody but this machine's user."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.cli.terminal import WORKBENCH, start, wait_until

# Modules that turn bytes into code or arbitrary objects.
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "shelve",
    "marshal",
    "joblib",
    "yaml",
    "code",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "read_pickle", "to_pickle", "__import__"}
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def _violations(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (n.name for n in node.names if n.name.partition(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in FORBIDDEN_MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", None)
            attribute = getattr(node.func, "attr", None)
            if name in FORBIDDEN_CALLS or attribute in {"read_pickle", "to_pickle"}:
                yield f"{name or attribute}(...)"
            for keyword in node.keywords:
                if keyword.arg in {"allow_pickle", "shell"} and getattr(keyword.value, "value", True):
                    yield f"{keyword.arg}="


def test_nothing_in_the_library_executes_what_it_reads(repository: Path) -> None:
    found = {
        f"{path.relative_to(repository)}: {what}"
        for path in (repository / "workbench").rglob("*.py")
        for what in _violations(ast.parse(path.read_text(encoding="utf-8")))
    }
    # A cell under %%allocations is what the notebook's writer runs, as every other cell is.
    assert found == {f"workbench/api/cells.py: {what}(...)" for what in ("eval", "exec")}


# Everything there is to read, with a hook that ends the process if any of it is unpickled.
_READ_ALL = """
import sys, time, warnings
from pathlib import Path

from tests.fuzz.hostile import trace_seeds
from workbench.experiments import Plan, Results, Run, run_sweep
from workbench.processes import Run
from workbench.sessions import Session, record_run
from workbench.traces import Trace

folder = Path(sys.argv[1])
recording = record_run(Run("random_mixed", threads=1, operations=200_000), folder, name="one")
run = Run("random_mixed", operations=20_000)
results = Results.open(folder / "results")
run_sweep(Plan((run,)), results)
trace = folder / "a.haktrace"
trace.write_bytes(next(trace_seeds())[:-1])

def forbid(event, arguments):
    if event == "pickle.find_class":
        sys.stderr.write(f"unpickled: {arguments}\\n")
        import os
        os._exit(3)

sys.addaudithook(forbid)
opened = Session.open(recording.path)
opened.samples, opened.events, opened.changes, opened.columns, opened.history(), opened.steps()
assert len(Results.open(folder / "results").to_frame()) == 1
with Trace.open(trace) as read:
    list(read.chunks())
print("read")
"""


def test_no_pickle_is_read_from_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _READ_ALL, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("read\n")


# ---- who may knock ----------------------------------------------------------------------------------


def _listening(root: psutil.Process) -> dict[int, set[str]]:
    """Addresses at which a process and all below it accept connections, by port."""
    found: dict[int, set[str]] = {}
    processes = [root]
    with suppress(psutil.NoSuchProcess):  # it has just ended, as a process below it may have
        processes += root.children(recursive=True)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found.setdefault(connection.laddr.port, set()).add(connection.laddr.ip)
    return found


def _ask(url: str, token: str | None = None, data: bytes | None = None) -> int:
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@contextmanager
def _running_lab(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The server, its address and its token."""
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "it's a.ipynb").write_text(json.dumps(notebook))
    home = {"HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config"), "PATH": "/usr/bin:/bin"}
    command = [WORKBENCH, "lab", "--json", "--no-browser", "it's a.ipynb"]
    with start(command, cwd=folder, stderr=subprocess.DEVNULL, env=home) as lab:
        assert lab.stdout is not None
        base, _, token = json.loads(lab.stdout.readline())["url"].partition("/lab/tree/")
        token = token.partition("token=")[2]

        def answers() -> bool:
            assert lab.poll() is None
            try:
                return _ask(f"{base}/api/status", token) == 200
            except urllib.error.URLError:
                return False

        wait_until(answers)
        yield lab, base, token


def test_jupyterlab_keeps_its_token_and_its_kernels_listen_to_this_machine_alone(tmp_path: Path) -> None:
    with _running_lab(tmp_path) as (lab, base, token):
        assert len(token) >= 32
        for path in ("/api/contents", "/api/kernels", "/api/sessions", "/api/contents/it's%20a.ipynb"):
            assert _ask(base + path) in (403, 404), path
            assert _ask(base + path, "0" * len(token)) in (403, 404), path
        assert _ask(f"{base}/api/contents", token) == 200
        assert _ask(f"{base}/api/kernels", token, b"{}") == 201
        server = psutil.Process(lab.pid)

        def kernel_listens() -> bool:
            return any(len(_listening(child)) >= 5 for child in server.children(recursive=True))

        wait_until(kernel_listens)
        addresses = _listening(server)
        assert len(addresses) >= 6
        assert set().union(*addresses.values()) <= LOOPBACK
