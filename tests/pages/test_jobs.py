"""Work that several sessions wait for: begun once, stopped, failed, forgotten; and how long it will still take."""

import threading
import time

import pytest

from draem_core.errors import Cancelled, DatasetError
from pages._ui.common.jobs import _KEPT, JobProgress, Jobs

PATIENCE = 120  # seconds


def finished(jobs: Jobs[int], key: int, of: object = None) -> None:
    assert jobs.start(key, of, lambda progress: key).wait(PATIENCE)


def test_two_sessions_share_one_piece_of_work() -> None:
    jobs: Jobs[list[int]] = Jobs()
    go, runs = threading.Event(), []

    def work(progress: JobProgress) -> list[int]:
        runs.append(1)
        go.wait(PATIENCE)
        return runs

    dataset = object()
    first = jobs.start("key", dataset, work)
    assert jobs.start("key", dataset, work) is first
    assert jobs.get("key", dataset) is first
    assert jobs.get("other", dataset) is None
    assert not first.wait(0)
    go.set()
    assert first.wait(PATIENCE)
    assert first.failed is None
    assert first.result == [1]
    assert jobs.get("key", dataset) is first


def test_many_sessions_at_once_start_it_once() -> None:
    jobs: Jobs[int] = Jobs()
    runs: list[int] = []
    barrier = threading.Barrier(8)

    def work(progress: JobProgress) -> int:
        runs.append(1)
        time.sleep(0.05)
        return 1

    def visit() -> None:
        barrier.wait()
        assert jobs.start("key", None, work).wait(PATIENCE)

    visitors = [threading.Thread(target=visit) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert runs == [1]


def test_a_dataset_that_was_opened_anew_is_looked_at_again_once_the_work_has_ended() -> None:
    jobs: Jobs[int] = Jobs()
    go = threading.Event()
    old, new = object(), object()
    job = jobs.start("key", old, lambda progress: int(go.wait(PATIENCE)))
    assert jobs.get("key", new) is job, "it is still at work: nobody begins a second time"
    go.set()
    assert job.wait(PATIENCE)
    assert jobs.get("key", old) is job
    assert jobs.get("key", new) is None


def test_a_cancel_ends_the_work_and_the_next_start_begins_anew() -> None:
    jobs: Jobs[int] = Jobs()

    def work(progress: JobProgress) -> int:
        tell = progress.begin("Looking")
        for done in range(10_000):
            if progress.is_cancelled():
                raise Cancelled(f"Stopped after {done}.")
            tell(done, 10_000)
            time.sleep(0.001)
        return 1

    job = jobs.start("key", None, work)
    assert not job.progress.is_cancelled()
    job.progress.cancel()
    assert job.wait(PATIENCE)
    assert job.was_cancelled
    assert str(job.failed).startswith("Stopped after")
    again = jobs.start("key", None, lambda progress: 2)
    assert again.wait(PATIENCE)
    assert again.result == 2


def test_a_failure_is_told_and_a_fault_of_ours_is_raised() -> None:
    jobs: Jobs[int] = Jobs()

    def fail(progress: JobProgress) -> int:
        raise DatasetError("There is no picture here. Put some into its folder.")

    job = jobs.start("sentence", None, fail)
    assert job.wait(PATIENCE)
    assert str(job.failed) == "There is no picture here. Put some into its folder."
    assert not job.was_cancelled
    fault = jobs.start("fault", None, lambda progress: 1 // 0)
    assert fault.wait(PATIENCE)
    with pytest.raises(ZeroDivisionError):
        _ = fault.failed


def test_the_longest_unused_results_are_forgotten_and_running_work_never_is() -> None:
    jobs: Jobs[int] = Jobs()
    go = threading.Event()
    running = jobs.start("running", None, lambda progress: int(go.wait(PATIENCE)))
    for key in range(_KEPT - 1):
        finished(jobs, key)
    assert jobs.get(0, None), "it was asked for, so 1 is the one unused for longest"
    finished(jobs, 9)
    finished(jobs, 10)
    kept = [key for key in (*range(_KEPT - 1), 9, 10) if jobs.get(key, None)]
    assert len(kept) == _KEPT - 1
    assert 1 not in kept
    assert {0, 10} <= set(kept)
    assert jobs.get("running", None) is running
    go.set()


def test_what_was_just_started_stays_however_much_is_at_work() -> None:
    jobs: Jobs[int] = Jobs()
    go = threading.Event()
    for key in range(_KEPT):
        jobs.start(f"running {key}", None, lambda progress: int(go.wait(PATIENCE)))
    finished(jobs, 1)
    assert jobs.get(1, None)
    go.set()


def test_time_left_is_by_the_pace_of_this_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("pages._ui.common.jobs.time.monotonic", lambda: now[0])
    progress = JobProgress()
    tell = progress.begin("Running the network")
    assert (progress.phase, progress.seconds_left) == ("Running the network", None)
    tell(600, 1000)  # done before, by an earlier run
    assert progress.seconds_left is None
    now[0] += 20
    tell(640, 1000)
    assert progress.seconds_left == pytest.approx(180), "2 images a second, 360 to go"
    tell(1000, 1000)
    assert progress.seconds_left == 0
    now[0] += 500
    progress.begin("Counting every setting")
    assert (progress.done, progress.total, progress.seconds_left) == (0, 0, None)
