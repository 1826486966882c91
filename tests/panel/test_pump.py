"""The pump: frames of what is in view and changed, never more than the views can take."""

from __future__ import annotations

import numpy as np

from tests.control.made_up import MadeUpBlock
from tests.panel.conftest import Desk, read_chart
from workbench.panel.frames import ACK_TIMEOUT_S, FORGET_AFTER_S, FrameMaker, ViewBook
from workbench.panel.pump import PLOTLY_INTERVAL_S
from workbench.plots import build_charts
from workbench.sessions import Column, History
from workbench.sessions.recorder import WHERE_CHART

ALL = ["Catch", "Length", "Stock", "Level", "Luck", "Memory"]


def attach(desk: Desk, pond: MadeUpBlock, visible: list[str]) -> None:
    desk.ask("hello")
    desk.ask("attach", path=str(pond.path))
    desk.ask("report", visible=visible, width=400, span=120, zooms=[])
    desk.step()
    desk.step()


def test_a_made_up_block_shows_itself(desk: Desk, pond: MadeUpBlock) -> None:
    pond.write("fish.length", [[3, 4, 5, 6]])
    attach(desk, pond, ALL)
    desk.step(0.3)
    controls = desk.state("controls")
    assert [group["title"] for group in controls] == ["Water", "Fish"]
    depth = controls[0]["controls"][0]["tunable"]
    assert (depth["name"], depth["unit"], depth["minimum"], depth["maximum"]) == ("pond.depth", "m", 1, 40)
    charts = {chart["title"]: chart for chart in desk.state("charts")}
    assert set(charts) - {WHERE_CHART} == set(ALL)  # that comes as soon as the memory has been read
    assert [trace["label"] for trace in charts["Length"]["traces"]] == ["quiet", "wild"]
    assert charts["Catch"]["unit"] == "fish/s"
    assert desk.state("status")["text"].startswith("attached to ")
    desk.answer()
    desk.step()
    frame, buffer = next(m for m in reversed(desk.messages) if m[0]["type"] == "frame")
    assert buffer is not None
    length = read_chart(frame, buffer, "Length")
    assert list(length["fish.length quiet"]) == [4.0] * len(length["time_s"])
    assert list(length["fish.length wild"]) == [6.0] * len(length["time_s"])


def test_an_action_that_succeeds_clears_the_error_of_one_before(desk: Desk) -> None:
    desk.ask("attach", path="")
    desk.step(1.0)
    assert "no running process" in desk.state("error")
    desk.ask("undo")
    desk.step(1.0)
    assert desk.state("error") == ""


def test_only_charts_in_view_whose_data_changed_are_sent(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond, ["Level", "Stock"])
    desk.answer()
    desk.step()
    desk.answer()
    desk.messages.clear()
    pond.write("pond.level", 17)
    desk.step()
    (frame,) = desk.frames()
    assert [part["title"] for part in frame["charts"]] == ["Level"]


def test_two_frames_wait_for_an_answer_and_no_more(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond, ALL)
    for level in range(10):
        pond.write("pond.level", level)
        desk.step()
    assert len(desk.frames()) == 2
    desk.answer()
    desk.step()
    assert len(desk.frames()) == 3
    # Answers that never come are not waited for, or a closed page would stop all others.
    desk.step(ACK_TIMEOUT_S + 0.1)
    assert len(desk.frames()) == 4


def show_level(desk: Desk, pond: MadeUpBlock, seconds: float, *answering: str) -> int:
    """Frames sent while a value moves all the time and some of the views answer."""
    before = len(desk.frames())
    for level in range(round(seconds / 0.1)):
        pond.write("pond.level", level % 50)
        desk.step(0.1)
        for frame in desk.frames()[-2:]:
            for view in answering:
                desk.ask("ack", view=view, frame=frame["number"])
    return len(desk.frames()) - before


def test_a_page_that_is_gone_does_not_slow_another(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond, ["Level"])
    desk.ask("hello", view="b")
    desk.ask("report", view="b", visible=["Level"], width=300, span=0, zooms=[])
    assert show_level(desk, pond, 10, "a", "b") >= 90
    show_level(desk, pond, ACK_TIMEOUT_S + 0.2, "b")
    assert show_level(desk, pond, 10, "b") >= 90
    show_level(desk, pond, FORGET_AFTER_S, "b")
    assert set(desk.pump.book.views) == {"b"}
    # It was only asleep: it is asked what it shows, and goes on.
    desk.messages.clear()
    desk.ask("ack", view="a", frame=1)
    desk.step()
    assert [content["type"] for content, _ in desk.messages].count("who") == 1
    assert set(desk.pump.book.views) == {"a", "b"}


def test_a_kernel_busy_with_a_cell_goes_on_showing(desk: Desk, pond: MadeUpBlock) -> None:
    # With comms on the main thread no answer comes while a cell runs, however long.
    attach(desk, pond, ["Level"])
    show_level(desk, pond, 5, "a")
    assert show_level(desk, pond, 60) >= 30
    show_level(desk, pond, 1, "a")
    assert show_level(desk, pond, 10, "a") >= 90


def test_messages_stay_far_below_what_the_server_takes(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond, ALL)
    desk.messages.clear()
    answers = 0
    for level in range(500):  # ten seconds in steps of 20 ms, everything changing all the time
        pond.write("pond.level", level)
        pond.write("fish.caught", [[level]])
        pond.append_event("FISH_BORN", 0, level, item=1)
        before = len(desk.frames())
        desk.step(0.02)
        if len(desk.frames()) > before:
            answers += 1
            desk.answer()
    # The kernel says busy and idle for every answer, too.
    assert (len(desk.messages) + 2 * answers) / 10 < 100
    assert len(desk.frames()) / 10 >= 10


def test_a_view_that_comes_later_gets_everything(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond, ALL)
    for level in range(20):
        pond.write("pond.level", level)
        desk.step()
        desk.answer()
    desk.messages.clear()
    desk.ask("hello", view="b")
    desk.ask("report", view="b", visible=["Level"], width=300, span=0, zooms=[])
    desk.step()
    assert desk.state("controls")
    assert desk.state("log_restart")
    assert any("attached to" in entry["text"] for entry in desk.state("log"))
    frame, buffer = next(m for m in desk.messages if m[0]["type"] == "frame")
    assert buffer is not None
    assert len(read_chart(frame, buffer, "Level")["time_s"]) >= 20


def test_a_view_whose_hello_is_lost_gets_everything(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond, ALL)
    desk.messages.clear()
    desk.ask("report", view="b", visible=["Level"], width=300, span=0, zooms=[])
    desk.step()
    assert desk.state("log_restart")
    assert desk.state("controls")
    desk.messages.clear()
    desk.ask("report", view="b", visible=["Level"], width=300, span=0, zooms=[])
    desk.step(0.3)
    assert not any("controls" in content for content, _ in desk.messages)


def test_a_hello_that_is_overtaken_takes_nothing_away(desk: Desk, pond: MadeUpBlock) -> None:
    # The first messages of a page go to the kernel's main thread, the next to a thread of their own.
    desk.ask("attach", path=str(pond.path))
    desk.ask("report", visible=["Level"], width=400, span=120, zooms=[])
    desk.ask("hello")
    assert show_level(desk, pond, 2, "a") >= 15


def test_a_view_that_says_again_what_it_shows_gets_a_frame(desk: Desk, pond: MadeUpBlock) -> None:
    # Frames were lost on their way, or their answers; a chart that stands still is sent anew.
    attach(desk, pond, ["Level"])
    desk.step(0.1)
    desk.messages.clear()
    desk.step(ACK_TIMEOUT_S + 0.1)
    desk.ask("report", visible=["Level"], width=400, span=120, zooms=[])
    desk.step(0.01)
    assert len(desk.frames()) >= 1


def test_a_page_loaded_again_need_not_wait_for_the_old_one(desk: Desk, pond: MadeUpBlock) -> None:
    # A page that is left says no goodbye: its view stands there with two frames unanswered.
    attach(desk, pond, ["Level"])
    show_level(desk, pond, 3, "a")
    show_level(desk, pond, 0.5)
    assert len(desk.pump.book.views["a"].in_flight) == 2
    desk.ask("hello", view="b")
    desk.ask("report", view="b", visible=["Level"], width=300, span=0, zooms=[])
    show_level(desk, pond, ACK_TIMEOUT_S, "b")
    assert show_level(desk, pond, 5, "b") >= 45
    show_level(desk, pond, FORGET_AFTER_S, "b")
    assert set(desk.pump.book.views) == {"b"}


def test_what_is_asked_again_and_again_is_sent_once(desk: Desk, pond: MadeUpBlock) -> None:
    # A kernel that was busy with a cell finds all of it at once.
    attach(desk, pond, ALL)
    desk.messages.clear()
    for _ in range(20):
        desk.ask("hello")
        desk.ask("ask_plotly")
    desk.step(0.3)
    kinds = [content["type"] for content, _ in desk.messages]
    assert (kinds.count("state"), kinds.count("plotly")) == (1, 1)
    # Asked within a moment of it, perhaps by a page that came just too late: it is sent, once, soon.
    for _ in range(3):
        desk.ask("ask_plotly")
        desk.step(0.1)
    desk.step(PLOTLY_INTERVAL_S)
    desk.step(PLOTLY_INTERVAL_S)
    assert [content["type"] for content, _ in desk.messages].count("plotly") == 2


def test_a_lost_state_can_be_told_from_its_number(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond, ALL)
    for depth in range(5, 9):
        desk.session.settings.set_one("pond.depth", f"{depth} m")
        desk.step(0.3)
    numbers = [content["number"] for content, _ in desk.messages if content["type"] == "state"]
    assert len(numbers) >= 5
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_an_error_of_a_request_is_shown_and_the_pump_goes_on(desk: Desk) -> None:
    desk.ask("attach", path="/nowhere/1.2.hakmem")
    desk.step()
    desk.step(0.3)
    assert desk.state("error")
    desk.ask("no such thing")
    desk.step(0.3)
    assert "no such thing" in desk.state("error")


def test_the_end_of_a_process_is_said(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond, ALL)
    pond.retire()
    desk.step(0.3)
    desk.step(0.3)
    assert "has ended" in desk.state("status")["text"]
    assert desk.state("run")["state"] == "idle"


def test_detach_gives_back_what_the_process_had(desk: Desk, pond: MadeUpBlock) -> None:
    pond.adopt_always()
    attach(desk, pond, ALL)
    desk.session.settings.set_one("pond.depth", "12 m")
    desk.session.settings.set_one("fish.colour", "brown")
    assert desk.session.settings.requested()["pond.depth"] == 12
    desk.ask("detach", restore=True)
    desk.step()
    with pond.open() as block:
        values = block.requested().values
    assert (values["pond.depth"], values["fish.colour"]) == (4, "blue")


def test_an_hour_makes_no_frame_larger() -> None:
    columns = [
        Column(f"level {index}", f"Chart {index % 6}", "level", str(index), "slots", is_step=True)
        for index in range(48)
    ]
    charts = build_charts(columns)
    history = History()
    generator = np.random.default_rng(3)
    sizes = []
    views = ViewBook()
    titles = [chart.title for chart in charts]
    views.note_report("a", 0.0, titles, width_px=400)
    for index in range(45_000):
        if index % 50 == 0:
            noise = generator.integers(0, 2048, size=48).tolist()
            row = {column.key: float(value) for column, value in zip(columns, noise, strict=True)}
        history.append(index * 0.08, row)
        if index % 9000 == 8999:
            made = FrameMaker().make(charts, history, views, index * 0.08)
            assert made is not None
            content, buffer = made
            assert len(content["charts"]) == 6
            sizes.append(len(buffer))
    assert max(sizes) < 1_500_000
    assert max(sizes[2:]) < 1.5 * min(sizes[2:])
