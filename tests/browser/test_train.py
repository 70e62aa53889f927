"""The Train page in a real browser: start, watch, reload meanwhile, wait in line, stop, resume, open elsewhere."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machinery import ROOT, start_server
from playwright.sync_api import Page, expect

from draem_core.launch.launcher import Launcher, RunState, as_toml
from draem_core.training.config import TrainConfig

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(sys.platform == "win32", reason="trainings are started where flock is"),
]
SECONDS = 180_000  # ms; a process has to load torch


@pytest.fixture(scope="module")
def launcher(home: Path) -> Iterator[Launcher]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield Launcher(home / "runs")
    for ticket in reversed(Launcher(home / "runs").queue.tickets()):
        Launcher(home / "runs").stop(ticket.run)


@pytest.fixture
def train(launcher: Launcher, url: str, page: Page) -> Page:
    page.set_default_timeout(SECONDS)
    page.goto(f"{url}/Train")
    return page


def fill(page: Page, **fields: object) -> None:
    """Type into fields by their label, one rerun each."""
    for label, value in fields.items():
        field = page.get_by_label(label.replace("_", " "), exact=True)
        field.fill(str(value))
        field.press("Enter")
        expect(page.locator("[data-testid=stApp]")).to_have_attribute(
            "data-test-script-state", "notRunning", timeout=SECONDS
        )


def start(page: Page, name: str, epochs: int) -> None:
    """Fill the form with a tiny training and start it."""
    expect_form(page)
    page.get_by_text("More: device, network").click()
    sizes = {
        "Width_of_the_reconstructive_network": 4,
        "Width_of_the_discriminative_network": 4,
        "Crop_size": 0,
        "Batch_size": 2,
    }
    fill(page, **sizes, Epochs=epochs, Image_height=32, Image_width=32, Probe_images=2, Validation_share=0)
    fill(page, Name_of_the_run=name)
    page.get_by_role("button", name="Start training").click()


def expect_form(page: Page) -> None:
    expect(page.get_by_role("heading", name="Train a network")).to_be_visible(timeout=SECONDS)


def tiny(home: Path, name: str) -> TrainConfig:
    """Return a training that ends long after the test."""
    places = {"data": home / "datasets" / "tiles", "out": home / "runs" / name}
    sizes = {"widths": (4, 4), "input_size": (32, 32), "batch_size": 2, "probes": 2, "epochs": 5000, "device": "cpu"}
    return TrainConfig.model_validate({**places, **sizes})


def expect_state(page: Page, name: str, state: RunState) -> None:
    heading = page.get_by_role("heading", name=re.compile(rf"^{name}\b.*{state.value}$"))
    expect(heading).to_be_visible(timeout=SECONDS)


def test_start_watch_reload_line_stop_resume_and_open(train: Page, launcher: Launcher, url: str) -> None:
    page = train
    start(page, "long", 5000)
    expect_state(page, "long", RunState.TRAINING)
    assert "run=runs%2Flong" in page.url
    expect(page.get_by_text("Reconstructions after epoch")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_text(re.compile(r"\d of 5,000 epochs.* left"))).to_be_visible(timeout=SECONDS)

    page.reload()
    expect_state(page, "long", RunState.TRAINING)
    expect(page.get_by_text("Loss by epoch")).to_be_visible(timeout=SECONDS)
    before = page.get_by_text("Reconstructions after epoch").inner_text()
    expect(page.get_by_text(before)).to_have_count(0, timeout=SECONDS)  # it goes on under our eyes

    page.goto(f"{url}/Train?run=none")  # a link to what is not there shows what trains
    expect_state(page, "long", RunState.TRAINING)
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name="New training").click()
    start(page, "next", 5000)
    expect_state(page, "next", RunState.WAITING)
    expect(page.get_by_text("for cpu, behind long")).to_be_visible(timeout=SECONDS)
    page.get_by_role("button", name="Take out of the queue").click()
    expect_state(page, "long", RunState.TRAINING)
    assert not (launcher.runs / "next").exists()

    page.get_by_role("button", name="Stop").click()
    expect_state(page, "long", RunState.STOPPED)
    assert launcher.status("long").state is RunState.STOPPED
    page.get_by_role("button", name="Resume").click()
    expect_state(page, "long", RunState.TRAINING)

    page.get_by_role("link", name="Open in Explore").click()
    expect(page).to_have_url(
        re.compile(r"/Explore\?.*checkpoint=runs%2Flong%2Fcheckpoints%2Fepoch_\d+"), timeout=SECONDS
    )
    expect(page.get_by_role("combobox", name=re.compile("Checkpoint"))).to_have_value(
        re.compile("^long"), timeout=SECONDS
    )
    page.goto(f"{url}/Train")
    expect_state(page, "long", RunState.TRAINING)
    page.get_by_role("link", name="Open in Epochs").click()
    expect(page).to_have_url(re.compile(r"/Epochs\?.*run=runs%2Flong"), timeout=SECONDS)
    expect(page.get_by_text(re.compile(r"^long, \d+ epochs")).first).to_be_visible(timeout=SECONDS)


def test_a_training_outlives_the_app(launcher: Launcher, home: Path, page: Page) -> None:
    for ticket in reversed(launcher.queue.tickets()):
        launcher.stop(ticket.run)
    pid = launcher.start(tiny(home, "lasting")).pid
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAEM_HOME", str(home))
        for _ in range(2):  # an app, and the next one after its end
            process, url = start_server(ROOT / "app.py", home / "another.log")
            page.goto(f"{url}/Train")
            expect_state(page, "lasting", RunState.TRAINING)
            process.kill()
            process.wait(10)
    os.kill(pid, 0)
    launcher.stop("lasting")


def test_what_is_wrong_is_said_beside_the_form(train: Page, launcher: Launcher, home: Path) -> None:
    page = train
    (home / "runs" / "taken").mkdir(parents=True)
    (home / "runs" / "taken" / "train.toml").write_text(as_toml(tiny(home, "taken")))
    expect_form(page)
    fill(page, Name_of_the_run="../out")
    expect(page.get_by_text("'../out' is no name for a run")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_role("button", name="Start training")).to_be_disabled(timeout=SECONDS)
    fill(page, Name_of_the_run="taken", Crop_size=100)
    expect(page.get_by_text("crop_size must divide by 32")).to_be_visible(timeout=SECONDS)
    fill(page, Crop_size=0)
    expect(page.get_by_text("never overwritten")).to_be_visible(timeout=SECONDS)
    page.get_by_role("button", name="Watch or resume it").click()
    expect_state(page, "taken", RunState.STOPPED)
