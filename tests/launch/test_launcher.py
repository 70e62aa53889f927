"""Trainings as processes: real ones, on two pictures of 32×32. What is killed here is killed with -9."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from draem_core.launch.launcher import Launcher, LaunchError, RunState, as_toml, check_name, device_of
from draem_core.launch.queue import JobQueue, JobQueueError
from draem_core.launch.run_lock import run_lock
from draem_core.launch.step_timing import StepTimingError, measure, measure_in_subprocess
from draem_core.runs.progress import read_history, read_newest_steps, read_progress, steps_per_epoch
from draem_core.training.config import TrainConfig, make_config
from draem_core.training.losses import LossWeights
from draem_core.training.reports import STEP_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
ENDLESS = 5000


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path / "runs", niceness=0)
    yield launcher
    for ticket in reversed(launcher.queue.tickets()):  # those who wait first, or they would begin
        launcher.stop(ticket.run)


@pytest.fixture
def make(launcher: Launcher, tiny_home: Path) -> Callable[..., TrainConfig]:
    sources = tiny_home / "datasets" / "unlabelled"  # fewer than the built-in ones

    def make(name: str, epochs: int = ENDLESS, **changes: object) -> TrainConfig:
        values = {"data": tiny_home / "datasets" / "tiles", "out": launcher.runs / name, "anomaly_sources": sources}
        sizes = {
            "epochs": epochs,
            "widths": (4, 4),
            "input_size": (32, 32),
            "batch_size": 2,
            "probes": 2,
            "keep": 2,
            "validation_share": 0.0,
            "device": "cpu",
        }
        return TrainConfig.model_validate({**values, **sizes, **changes})

    return make


def wait_until(what: Callable[[], object], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def state(launcher: Launcher, name: str) -> RunState:
    return launcher.status(name).state


def epochs_of(launcher: Launcher, name: str) -> list[int]:
    return [int(row["epoch"] or 0) for row in read_history(launcher.runs / name)]


def test_a_second_run_waits_in_line_and_begins_when_the_first_is_stopped(
    launcher: Launcher, make: Callable[..., TrainConfig]
) -> None:
    for name in ("first", "second", "third"):
        launcher.start(make(name, epochs=ENDLESS if name == "first" else 1))
    assert launcher.status("third").ahead == ("first", "second")
    wait_until(lambda: epochs_of(launcher, "first"))
    wait_until(lambda: "behind second" in launcher.log("third"))
    assert state(launcher, "second") is RunState.WAITING
    assert not (launcher.runs / "second" / "config.json").exists()
    launcher.withdraw("third")
    assert not (launcher.runs / "third").exists()
    launcher.stop("first")
    wait_until(lambda: state(launcher, "second") is RunState.FINISHED)
    assert epochs_of(launcher, "second") == [1]
    assert "2 good images" in launcher.log("second")
    assert launcher.queue.tickets() == []
    assert launcher.names() == ["second", "first"]


def test_what_is_stopped_or_killed_goes_on_after_its_last_epoch(
    launcher: Launcher, make: Callable[..., TrainConfig]
) -> None:
    launcher.start(make("run"))
    with pytest.raises(JobQueueError, match="already"):
        launcher.resume("run")
    with pytest.raises(LaunchError, match="exists already"):
        launcher.start(make("run"))
    wait_until(lambda: len(epochs_of(launcher, "run")) > 2)
    launcher.stop("run")
    status = launcher.status("run")
    assert status.state is RunState.STOPPED
    assert "stopped here" in status.message
    before = len(epochs_of(launcher, "run"))
    ticket = launcher.resume("run")
    wait_until(lambda: len(epochs_of(launcher, "run")) > before + 1)
    os.kill(ticket.pid, signal.SIGKILL)
    wait_until(lambda: state(launcher, "run") is RunState.STOPPED)
    assert "without a word" in launcher.status("run").message
    before = len(epochs_of(launcher, "run"))
    launcher.resume("run")
    wait_until(lambda: len(epochs_of(launcher, "run")) > before)
    launcher.stop("run")
    epochs = epochs_of(launcher, "run")
    assert epochs == list(range(1, len(epochs) + 1))


def test_a_run_outlives_the_app_that_started_it_and_can_be_stopped_by_another(
    launcher: Launcher, make: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(as_toml(make("run")))
    app = (
        "from pathlib import Path; import sys; from draem_core.launch.launcher import Launcher, make_config\n"
        "Launcher(Path(sys.argv[1])).start(make_config({}, Path(sys.argv[2])))"
    )
    subprocess.run([sys.executable, "-c", app, launcher.runs, tmp_path / "config.toml"], cwd=ROOT, check=True)
    wait_until(lambda: epochs_of(launcher, "run"))
    assert state(launcher, "run") is RunState.TRAINING
    launcher.stop("run")
    assert state(launcher, "run") is RunState.STOPPED


def test_a_recycled_pid_is_never_taken_for_ours(launcher: Launcher, make: Callable[..., TrainConfig]) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        folder = launcher.runs / "run"
        folder.mkdir(parents=True)
        (folder / "train.toml").write_text(as_toml(make("run")))
        (folder / "train.log").write_text("")
        queue = launcher.runs / ".queue"
        queue.mkdir()
        ticket = {"number": 1, "run": "run", "device": "cpu", "pid": bystander.pid}
        (queue / "1.json").write_text(json.dumps(ticket))
        assert state(launcher, "run") is RunState.STOPPED
        launcher.stop("run")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_an_error_is_told_by_its_sentence(launcher: Launcher, make: Callable[..., TrainConfig], tmp_path: Path) -> None:
    launcher.start(make("run", data=tmp_path / "nowhere"))
    wait_until(lambda: state(launcher, "run") is RunState.FAILED)
    assert launcher.status("run").message.startswith(str(tmp_path / "nowhere"))
    assert "does not exist" in launcher.status("run").message


def test_a_stubborn_process_is_killed(launcher: Launcher) -> None:
    folder = launcher.runs / "run"
    folder.mkdir(parents=True)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    with launcher.queue.enqueue("run", "cpu") as reservation:
        process = subprocess.Popen([sys.executable, "-c", deaf], pass_fds=(reservation.handle,), stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        reservation.commit(process.pid)
    launcher.stop("run", grace=0.2)
    assert process.wait(5) == -signal.SIGKILL


def test_a_run_of_the_command_line_is_not_taken_over(launcher: Launcher, make: Callable[..., TrainConfig]) -> None:
    folder = launcher.runs / "run"
    folder.mkdir(parents=True)
    config = make("run")
    (folder / "config.json").write_text(json.dumps({"config": config.model_dump(mode="json")}))
    (folder / "ended.json").write_text('{"status": null}')
    with run_lock(folder):
        assert state(launcher, "run") is RunState.ELSEWHERE
        assert f"process {os.getpid()}, which was not started here" in launcher.status("run").message
        with pytest.raises(LaunchError, match="not started here"):
            launcher.resume("run")
    assert state(launcher, "run") is RunState.STOPPED
    assert launcher.config("run") == config


def test_devices_do_not_wait_for_each_other(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    with queue.enqueue("a", "cpu") as first:
        with_first = first.commit(1)
        held = [os.dup(first.handle)]
    for number, device in enumerate(("cuda:0", "cpu"), start=2):
        with queue.enqueue(f"run{number}", device) as reservation:
            reservation.commit(number)
            held.append(os.dup(reservation.handle))
    other, second = queue.tickets()[1:]
    assert queue.ahead_of(other) == []
    assert queue.ahead_of(second) == [with_first]
    for handle in held:
        os.close(handle)
    assert queue.tickets() == []


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "ü", "a b", "x" * 65, "a\n", "a."])
def test_names_that_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="letters"):
        check_name(name)
    with pytest.raises(LaunchError):
        Launcher(tmp_path).config(name)


def test_a_run_is_not_put_outside_its_folder(launcher: Launcher, make: Callable[..., TrainConfig]) -> None:
    with pytest.raises(LaunchError, match="is not in"):
        launcher.start(make("x", out=launcher.runs.parent / "elsewhere"))


def test_toml_gives_the_config_back(make: Callable[..., TrainConfig], tmp_path: Path) -> None:
    odd = make(
        "run",
        anomaly_sources=Path('/tmp/"quoted" \\ ü 🙂'),
        learning_rate=1e-5,
        loss_weights=LossWeights(l1=1, sspcab=0.25),
        crop_size=32,
    )
    (tmp_path / "train.toml").write_text(as_toml(odd), encoding="utf-8")
    assert make_config({}, tmp_path / "train.toml") == odd


def test_the_device_that_is_waited_for() -> None:
    config = TrainConfig(data=Path("a"), out=Path("b"))
    assert device_of(config.model_copy(update={"device": "cuda"})) == "cuda:0"
    assert device_of(config.model_copy(update={"device": "cuda:1"})) == "cuda:1"
    assert device_of(config) == device_of(config.model_copy(update={"device": device_of(config)}))


def write_run(folder: Path, epochs: int, steps: int, into: int, began: float = 1e3, step_seconds: float = 2.0) -> None:
    """Write what a run of ``steps`` steps an epoch leaves that takes ``step_seconds`` each, 4 s an evaluation."""
    (folder / "probes").mkdir(parents=True)
    now, rows = began, []
    for epoch in range(1, epochs + 2):
        for step in range(1, (steps if epoch <= epochs else into) + 1):
            now += step_seconds
            rows.append(",".join([str(epoch), str(step), *("0.5" for _ in STEP_COLUMNS[2:])]))
        if epoch <= epochs:
            now += 4
            (folder / "probes" / f"epoch_{epoch:04d}_map.png").touch()
            os.utime(folder / "probes" / f"epoch_{epoch:04d}_map.png", (now, now))
            began = now
    (folder / "steps.csv").write_text("\n".join([",".join(STEP_COLUMNS), *rows]) + "\n12,", encoding="utf-8")
    (folder / "layers.csv").touch()
    os.utime(folder / "layers.csv", (began, began))
    os.utime(folder / "steps.csv", (now, now))
    if epochs:
        lines = [f"{epoch},{steps * step_seconds}" for epoch in range(1, epochs + 1)]
        (folder / "metrics.csv").write_text("\n".join(["epoch,seconds", *lines]) + "\n")


def test_progress_counts_judging_in(make: Callable[..., TrainConfig], tmp_path: Path) -> None:
    write_run(tmp_path / "run", epochs=3, steps=10, into=4)
    progress = read_progress(tmp_path / "run", make("run", epochs=8), images=20)
    assert (progress.done, progress.step, progress.steps) == (3, 4, 10)
    assert progress.share == pytest.approx(3.4 / 8)
    assert progress.seconds_left == pytest.approx(5 * 24 - 8)


def test_the_first_epoch_goes_by_its_steps(make: Callable[..., TrainConfig], tmp_path: Path) -> None:
    write_run(tmp_path / "run", epochs=0, steps=10, into=4)
    progress = read_progress(tmp_path / "run", make("run", epochs=8), images=20)
    assert progress.seconds_left == pytest.approx(80 * 2 - 8)
    assert read_progress(tmp_path / "run", make("run", epochs=8), images=None).seconds_left is None


def test_nothing_written_is_no_progress(make: Callable[..., TrainConfig], tmp_path: Path) -> None:
    progress = read_progress(tmp_path, make("run", epochs=8), images=20)
    assert (progress.done, progress.step, progress.share, progress.seconds_left) == (0, 0, 0.0, None)


def test_newest_steps_are_whole_rows_of_a_long_file(tmp_path: Path) -> None:
    write_run(tmp_path / "run", epochs=400, steps=10, into=3)
    newest = read_newest_steps(tmp_path / "run")
    assert tuple(newest.columns) == STEP_COLUMNS
    assert newest[["epoch", "step"]].iloc[-1].tolist() == [401, 3]
    assert 300 < len(newest) < 4000
    assert newest.notna().all(axis=None)


def test_steps_leave_out_what_is_held_out(make: Callable[..., TrainConfig]) -> None:
    config = make("run", batch_size=8, validation_share=0.1)
    assert steps_per_epoch(config, 120) == 14  # 108 / 8 = 13.5
    assert steps_per_epoch(config.model_copy(update={"validation_share": 0.0}), 120) == 15


def test_without_a_folder_there_are_no_runs(tmp_path: Path) -> None:
    assert Launcher(tmp_path / "none").names() == []
    assert Launcher(tmp_path / "none").queue.tickets() == []


def test_a_start_that_fails_leaves_its_name_free(
    launcher: Launcher, make: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no processes left")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(OSError, match="no processes left"):
        launcher.start(make("run"))
    assert not (launcher.runs / "run").exists()
    assert launcher.queue.tickets() == []
    assert list((launcher.runs / ".queue").glob("*.new")) == []


def test_the_pace_is_measured_apart_and_leaves_nothing(
    make: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    config = make("run", validation_share=0.5, patience=3)
    assert 0 < measure(config) < 30
    with pytest.raises(StepTimingError, match="first steps fail: The device 'cuda:99' cannot be used"):
        measure_in_subprocess(as_toml(config.model_copy(update={"device": "cuda:99"})))
    assert list(tmp_path.glob("draem_pace_*")) == []
    assert not config.out.exists()
