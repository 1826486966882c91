"""A real JupyterLab and a real Chromium, one of each for all tests of this folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

expect.set_options(timeout=30_000)  # ends a hang; a busy machine is slow to draw

TOKEN = "browser-test"
START_TIMEOUT_S = 120
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab server."""

    url: str
    folder: Path
    settings: Path
    data: Path  # where it looks for this user's kernels

    def use_subshells(self, choice: str) -> None:
        """JupyterLab's setting 'Kernel Comms over subshells', for pages opened from now on."""
        folder = self.settings / "@jupyterlab" / "apputils-extension"
        (folder / "kernels-settings.jupyterlab-settings").write_text(
            json.dumps({"commsOverSubshells": choice})
        )

    def call(self, path: str, method: str = "GET") -> object:
        """One request of the server's interface."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}", headers={"Authorization": f"token {TOKEN}"}, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def kernel_ids(self) -> list[str]:
        """Kernels that run."""
        kernels = self.call("kernels")
        assert isinstance(kernels, list)
        return [str(kernel["id"]) for kernel in kernels]

    def end_kernels(self) -> None:
        """Ends every kernel and its session, so that each test starts with a new one."""
        sessions = self.call("sessions")
        assert isinstance(sessions, list)
        for session in sessions:
            self.call(f"sessions/{session['id']}", "DELETE")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab for all tests."""
    with run_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@contextmanager
def run_lab(base: Path) -> Iterator[Lab]:
    """JupyterLab with settings of its own, on an empty folder for notebooks."""
    folder = base / "notebooks"
    folder.mkdir()
    settings = base / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    # Asked once a user; the answer would hide part of the page.
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(base / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(base / "config"),
        "JUPYTER_DATA_DIR": str(base / "data"),
        "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
        "IPYTHONDIR": str(base / "ipython"),
        "XDG_CONFIG_HOME": str(base / "xdg"),
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    command += [f"--ServerApp.root_dir={folder}"]
    with (base / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        running = Lab(f"http://127.0.0.1:{port}", folder, base / "settings", base / "data")
        try:
            _await_server(running, server, base / "server.log")
            yield running
            running.end_kernels()
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await_server(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            lab.call("status")
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"JupyterLab did not answer: {log.read_text()}")


@pytest.fixture(scope="session")
def context() -> Iterator[BrowserContext]:
    """Debian's Chromium, without a window; its cache keeps JupyterLab's scripts from test to test."""
    path = shutil.which("chromium") or "/usr/bin/chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield started.new_context(viewport={"width": 1280, "height": 900})
        started.close()


@pytest.fixture
def page(context: BrowserContext, lab: Lab, notebooks: Path) -> Iterator[Page]:
    """A page of its own a test, new kernels, notebooks as they are committed."""
    lab.end_kernels()
    shutil.copytree(notebooks, lab.folder, dirs_exist_ok=True)
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    yield opened
    # What was on the screen last, for whoever looks why a test failed.
    opened.screenshot(path=str(lab.folder.parent / "last.png"))
    for tab in context.pages:
        tab.close()
    lab.end_kernels()
