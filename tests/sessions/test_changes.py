"""The change log: one gesture is one entry, undo and redo are a stack."""

from workbench.sessions import ChangeLog


def test_a_drag_is_one_entry_from_first_to_last_value() -> None:
    log = ChangeLog()
    log.record(1.0, "you", {"grow": 80}, {"grow": 79}, gesture="a")
    log.record(1.1, "you", {"grow": 79}, {"grow": 70}, gesture="a")
    log.record(1.2, "you", {"grow": 70}, {"grow": 60}, gesture="a")
    (entry,) = log.entries()
    assert (entry.before, entry.after, entry.time_s) == ({"grow": 80}, {"grow": 60}, 1.2)
    assert log.next_undo() == entry


def test_gestures_and_single_sets_are_entries_of_their_own() -> None:
    log = ChangeLog()
    log.record(1.0, "you", {"grow": 80}, {"grow": 70}, gesture="a")
    log.record(2.0, "you", {"grow": 70}, {"grow": 60}, gesture="b")
    log.record(3.0, "you", {"grow": 60}, {"grow": 80})
    assert [entry.number for entry in log.entries()] == [1, 2, 3]
    assert len(log.entries(since_s=2.0)) == 2


def test_nothing_changed_is_no_entry() -> None:
    log = ChangeLog()
    assert log.record(1.0, "you", {"grow": 80}, {"grow": 80}) is None
    assert log.entries() == []


def test_undo_and_redo_move_one_change_between_them() -> None:
    log = ChangeLog()
    first = log.record(1.0, "you", {"grow": 80}, {"grow": 70})
    second = log.record(2.0, "preset", {"grow": 70, "shrink": 20}, {"grow": 90, "shrink": 30})
    assert first is not None
    assert second is not None
    log.record(3.0, "undo", second.after, second.before)
    log.mark_undone(second)
    assert log.next_undo() == first
    assert log.next_redo() == second
    log.record(4.0, "redo", second.before, second.after)
    log.mark_redone(second)
    assert log.next_undo() == second
    assert log.next_redo() is None


def test_a_new_change_empties_redo_and_the_log_is_bounded() -> None:
    log = ChangeLog(maximum=10)
    change = log.record(0.0, "you", {"grow": 80}, {"grow": 70})
    assert change is not None
    log.mark_undone(change)
    for index in range(50):
        log.record(float(index), "you", {"grow": index}, {"grow": index + 1})
    assert log.next_redo() is None
    assert len(log.entries()) == 10
    log.forget_undo()
    assert log.next_undo() is None
