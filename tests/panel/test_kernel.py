"""A panel in a real kernel, spoken to as JupyterLab speaks to it: over subshells that come and go."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

TIMEOUT_S = 180
OPEN_PANEL = """
from workbench.panel import tuning_panel
panel = tuning_panel()
print(panel._widget.model_id)
"""


@pytest.fixture
def client() -> Iterator[BlockingKernelClient]:
    """A kernel of its own."""
    manager, client = start_new_kernel(startup_timeout=TIMEOUT_S)
    yield client
    client.stop_channels()
    manager.shutdown_kernel()


def open_panel(client: BlockingKernelClient) -> str:
    """Id of the panel's comm."""
    told: list[str] = []

    def note(message: dict[str, object]) -> None:
        content = message["content"]
        assert isinstance(content, dict)
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            told.append(str(content["text"]))

    answer = client.execute_interactive(OPEN_PANEL, output_hook=note, timeout=TIMEOUT_S)
    assert answer["content"]["status"] == "ok", answer["content"]
    return "".join(told).strip()


def ask_control(client: BlockingKernelClient, kind: str, **content: str) -> dict[str, str]:
    """One request on the control channel."""
    request = client.session.msg(kind, content)
    client.control_channel.send(request)
    while True:
        answer = client.control_channel.get_msg(timeout=TIMEOUT_S)
        if answer["parent_header"].get("msg_id") == request["header"]["msg_id"]:
            return dict(answer["content"])


def say_hello(client: BlockingKernelClient, comm_id: str, subshell_id: str | None) -> None:
    """A view's hello, and everything in answer to it."""
    data = {"method": "custom", "content": {"type": "hello", "view": "a"}}
    message = client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
    if subshell_id is not None:
        message["header"]["subshell_id"] = subshell_id
    client.shell_channel.send(message)
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        said = client.iopub_channel.get_msg(timeout=TIMEOUT_S)
        content = said["content"].get("data", {}).get("content", {})
        if said["msg_type"] == "comm_msg" and content.get("log_restart"):
            return
    raise AssertionError(f"no answer to a hello over subshell {subshell_id}")


def test_messages_reach_the_panel_when_a_subshell_has_ended(client: BlockingKernelClient) -> None:
    comm_id = open_panel(client)
    say_hello(client, comm_id, None)
    for _ in range(2):
        subshell_id = ask_control(client, "create_subshell_request")["subshell_id"]
        say_hello(client, comm_id, subshell_id)
        assert ask_control(client, "delete_subshell_request", subshell_id=subshell_id)["status"] == "ok"
        say_hello(client, comm_id, None)
