"""One block used from many threads at once, and closed under them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.control.made_up import MadeUpBlock
from workbench.control import ControlBlock
from workbench.errors import WorkbenchError


def test_sets_from_many_threads_are_all_counted(pond: MadeUpBlock, block: ControlBlock) -> None:
    def set_both(depth: int) -> int:
        return block.set({"pond.depth": depth, "pond.lowest": depth})

    with ThreadPoolExecutor(8) as pool:
        generations = list(pool.map(set_both, [1 + number % 40 for number in range(400)]))
    assert sorted(generations) == list(range(2, 402))
    values = block.requested().values
    assert values["pond.depth"] == values["pond.lowest"]
    assert pond.adopt() == 401


def test_a_block_may_be_closed_while_it_is_read(pond: MadeUpBlock) -> None:
    for _ in range(20):
        block = pond.open()
        entered = threading.Barrier(5)

        def read(block: ControlBlock = block, entered: threading.Barrier = entered) -> str:
            entered.wait()
            try:
                while True:
                    block.snapshot()
                    block.requested()
                    block.events()
            except WorkbenchError as error:
                return str(error)

        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read) for _ in range(4)]
            entered.wait()
            block.close()
            assert all("is closed" in reader.result() for reader in readers)


def test_a_set_is_adopted_by_the_publisher(pond: MadeUpBlock, block: ControlBlock) -> None:
    adopted = threading.Event()
    pond.write("thread.id", [0, 1, 0, 0, 0, 0, 0, 0])
    pond.adopt_always(0.001)
    generation = block.set({"pond.depth": 20})
    for _ in range(6000):
        if block.adoption().adopted == 1:
            break
        adopted.wait(0.01)
    assert block.effective().generation == generation
    assert block.effective().values["pond.depth"] == 20
