"""lab: JupyterLab on the notebook, at the address that was printed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from tests.cli.terminal import WORKBENCH, assert_refused, run_workbench, start, wait_until


def test_serves_the_notebook(tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "01_live_tuning.ipynb").write_text(json.dumps(notebook))
    home = {"HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    options = {"cwd": tmp_path, "stderr": subprocess.DEVNULL, "env": {"PATH": "/usr/bin:/bin"} | home}
    with start([WORKBENCH, "lab", "--json", "--no-browser"], **options) as lab:
        assert lab.stdout is not None
        report = json.loads(lab.stdout.readline())
        assert report["pid"] == lab.pid
        assert report["url"].startswith("http://127.0.0.1:")
        assert "/lab/tree/notebooks/01_live_tuning.ipynb?token=" in report["url"]

        def answers() -> bool:
            assert lab.poll() is None
            try:
                with urllib.request.urlopen(report["url"]) as answer:
                    return bool(answer.status == 200)
            except urllib.error.URLError:
                return False

        wait_until(answers)
        assert b"token=" not in Path(f"/proc/{lab.pid}/cmdline").read_bytes()
        lab.send_signal(signal.SIGTERM)
        assert lab.wait() in (0, -signal.SIGTERM)


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    assert_refused(run_workbench("lab", cwd=tmp_path), "notebooks/01_live_tuning.ipynb")
    assert_refused(run_workbench("lab", tmp_path / "gone.ipynb"), "gone.ipynb")
    (tmp_path / "text.txt").write_text("")
    assert_refused(run_workbench("lab", tmp_path / "text.txt"), "text.txt")
    (tmp_path / "a.ipynb").write_text("{}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_refused(run_workbench("lab", tmp_path / "a.ipynb", "--port", port), "--port", str(port))
