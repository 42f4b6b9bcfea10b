"""Background work: in order, stopped, failed and abandoned."""

import threading

from rnnviz.core.errors import EngineError
from rnnviz.gui.kit.tasks import BackgroundTask, TaskQueue


class Endless:
    """Work that goes on until it is stopped."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def __call__(self, progress) -> str:
        self.begun.set()
        while True:
            progress(0.5)


def test_stopping_also_stops_queued_tasks_but_not_later_ones(qtbot):
    jobs, endless = TaskQueue(), Endless()
    ended: list[str] = []
    for signal in (jobs.done, jobs.stopped):
        signal.connect(ended.append)
    busy: list[bool] = []
    jobs.busy_changed.connect(busy.append)
    jobs.start(BackgroundTask("first", endless))
    jobs.start(BackgroundTask("second", lambda progress: "two"))
    qtbot.waitUntil(endless.begun.is_set)
    jobs.stop()
    jobs.start(BackgroundTask("third", lambda progress: "three"))
    qtbot.waitUntil(lambda: ended == ["first", "second", "three"])
    assert busy == [True, False]
    assert not jobs.busy
    jobs.close()


def test_a_task_with_a_defect_is_reported_and_the_next_one_runs(qtbot):
    jobs = TaskQueue()
    with qtbot.waitSignal(jobs.failed) as failed:
        jobs.start(BackgroundTask("first", lambda progress: str(1 // 0)))
    assert failed.args[0] == "first"
    assert "ZeroDivisionError" in failed.args[1]
    with qtbot.waitSignal(jobs.done):
        jobs.start(BackgroundTask("second", lambda progress: "two"))
    jobs.close()


def test_a_file_that_is_not_verified_fails_with_its_sentence(qtbot):
    def refused(_progress):
        raise EngineError("w.npz was not written.")

    jobs = TaskQueue()
    with qtbot.waitSignal(jobs.failed) as failed:
        jobs.start(BackgroundTask("writing w.npz", refused))
    assert failed.args == ["writing w.npz", "w.npz was not written."]
    jobs.close()


def test_jobs_are_done_in_order_and_an_abandoned_one_ends_the_thread(qtbot):
    jobs, endless = TaskQueue(), Endless()
    told: list[str] = []
    jobs.done.connect(told.append)
    jobs.start(BackgroundTask("first", lambda progress: "one"))
    jobs.start(BackgroundTask("second", lambda progress: "two"))
    jobs.start(BackgroundTask("third", endless))
    qtbot.waitUntil(lambda: told == ["one", "two"] and endless.begun.is_set())
    jobs.close()
    assert told == ["one", "two"]
