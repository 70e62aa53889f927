"""Names that would be pictures, links or scripts, shown sign by sign, nothing fetched."""

import http.client
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from machinery import ROOT, start_server
from playwright.sync_api import Page, expect
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_runs import train_tiny

pytestmark = pytest.mark.browser

PICTURE = "![p](x.png) <img src=x> :smile: _a_"  # what a file may be called on most systems
REMOTE = "![p](http://evil.example/x.png)"  # what only the inside of a file can hold
HOSTS = "evil.example"
PAGES = ("Explore", "Tune", "Epochs", "Inside", "Synthetic", "Train")


@pytest.fixture(scope="module")
def hostile_home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which every name is hostile: checkpoint, card, training, layers, dataset, kinds, pictures, runs."""
    home = tmp_path_factory.mktemp("hostile") / "home"
    shutil.copytree(tiny_home, home)
    checkpoints = home / "checkpoints"
    (checkpoints / "beta.safetensors").unlink()
    _rewrite(checkpoints / "alpha.safetensors", checkpoints / f"{PICTURE}.safetensors")
    (checkpoints / "alpha.safetensors").unlink()
    tiles = home / "datasets" / "tiles"
    for part in ("test", "ground_truth"):
        (tiles / part / "scratch").rename(tiles / part / PICTURE)
    (tiles / "test" / PICTURE / "000.png").rename(tiles / "test" / PICTURE / f"{PICTURE}.png")
    (tiles / "ground_truth" / PICTURE / "000_mask.png").rename(tiles / "ground_truth" / PICTURE / f"{PICTURE}_mask.png")
    (tiles / "test" / PICTURE / "bad **b**.png").write_bytes(b"no picture")
    tiles.rename(home / "datasets" / PICTURE)
    shutil.rmtree(home / "datasets" / "unlabelled")
    train_tiny(home / "runs" / PICTURE)
    return home


@pytest.fixture(scope="module")
def hostile_url(hostile_home: Path) -> Iterator[str]:
    """The app's address, served on the hostile home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAEM_HOME", str(hostile_home))
        patch.delenv("DRAEM_DATA", raising=False)
        process, url = start_server(ROOT / "app.py", hostile_home / "server.log")
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture
def asked_elsewhere(page: Page, hostile_url: str) -> list[str]:
    """What the page asks of another address than the server's, also where the policy then refuses it."""
    asked: list[str] = []
    own = (hostile_url, "data:", "blob:")
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith(own) else None)
    page.on("console", lambda said: asked.append(said.text) if "Content Security Policy" in said.text else None)
    return asked


@pytest.mark.parametrize("name", PAGES)
def test_a_page_full_of_hostile_names_asks_nothing_of_another_host(
    name: str, page: Page, hostile_url: str, asked_elsewhere: list[str]
) -> None:
    page.goto(f"{hostile_url}/{name}")
    _settled(page)
    page.locator("details:not([open]) > summary").evaluate_all("all => all.forEach((one) => one.click())")
    _settled(page)
    assert asked_elsewhere == []
    assert page.locator("[data-testid=stMarkdownContainer] img").count() == 0
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.locator(f"[href*='{HOSTS}'], [src*='{HOSTS}']").count() == 0


def test_the_card_reads_sign_by_sign(page: Page, hostile_url: str, asked_elsewhere: list[str]) -> None:
    page.goto(f"{hostile_url}/Explore")
    _settled(page)
    page.locator("[data-testid=stSidebar] details").filter(has=page.locator("table")).locator("summary").click()
    card = page.locator("[data-testid=stSidebar] table")
    expect(card).to_contain_text(REMOTE)
    cells = card.locator("th, td").all_inner_texts()
    assert cells.count(REMOTE) == 3  # the name, and two values of what it was trained on
    assert f"Trained: {REMOTE}" in cells
    assert asked_elsewhere == []


def test_a_refusal_reads_sign_by_sign(page: Page, hostile_url: str, hostile_home: Path) -> None:
    path = hostile_home / "checkpoints" / "broken [b](http:x).safetensors"
    save_file({REMOTE: torch.zeros(2)}, path)
    page.goto(f"{hostile_url}/Explore?checkpoint=checkpoints/broken%20%5Bb%5D(http%3Ax).safetensors")
    alert = page.locator("[data-testid=stMain] [data-testid=stAlert]").first
    expect(alert).to_contain_text("broken [b](http:x)", timeout=60_000)
    assert alert.locator("a, img").count() == 0
    path.unlink()


def test_the_picture_and_its_kind_keep_their_names(page: Page, hostile_url: str) -> None:
    page.goto(f"{hostile_url}/Explore")
    _settled(page)
    kinds = page.locator("[data-testid=stMain]").get_by_role("radio")
    expect(kinds.filter(has_text="![p](x.png) <img src=x> :smile:").first).to_be_visible(timeout=120_000)


def test_an_uploaded_picture_keeps_its_name(page: Page, hostile_url: str, asked_elsewhere: list[str]) -> None:
    page.goto(f"{hostile_url}/Explore")
    _settled(page)
    page.get_by_role("radio", name="Upload").or_(page.get_by_role("button", name="Upload")).first.click()
    file = {"name": "![b](x.png) $x$.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.locator("[data-testid=stMain] input[type=file]").set_input_files([file])
    alert = page.locator("[data-testid=stMain] [data-testid=stAlert]").first
    expect(alert).to_contain_text("![b](x.png) $x$.png", timeout=30_000)
    assert asked_elsewhere == []


@pytest.mark.parametrize("path", ["/", "/Tune", "/_stcore/health", "/_stcore/upload_file/a/b", "/media/a.png"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "a@b", ""])
def test_another_host_is_refused(path: str, host: str, hostile_url: str) -> None:
    status, said = _get(hostile_url, path, {"Host": host})
    assert status == 400
    assert "for this machine alone" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]:80"])
def test_this_machine_is_served_by_each_of_its_names(host: str, hostile_url: str) -> None:
    assert _get(hostile_url, "/_stcore/health", {"Host": host}) == (200, "ok")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 101),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_websocket_of_another_page_is_refused(headers: dict[str, str], status: int, hostile_url: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
    }
    assert _get(hostile_url, "/_stcore/stream", upgrade | headers)[0] == status


def test_who_binds_to_another_address_on_purpose_is_served_by_any_name(
    hostile_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAEM_HOME", str(hostile_home))
    process, url = start_server(ROOT / "app.py", hostile_home / "open.log", "0.0.0.0")
    try:
        assert _get(url, "/_stcore/health", {"Host": "inspection.factory.example"}) == (200, "ok")
    finally:
        process.terminate()
        process.wait(10)


def _get(url: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    try:
        return answer.status, "" if answer.status == 101 else answer.read().decode()
    finally:
        connection.close()


def _settled(page: Page) -> None:
    """Wait until the page has run to its end."""
    app = page.locator("[data-testid=stApp]")
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=90_000)


def _rewrite(source: Path, out: Path) -> None:
    """Copy a checkpoint with a card whose name and training are hostile."""
    with safe_open(source, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for key, value in metadata.items():
        card = json.loads(value) if value.startswith("{") else None
        if card and "name" in card:
            metadata[key] = json.dumps(card | {"name": REMOTE, "training": {REMOTE: REMOTE, "category": REMOTE}})
    save_file(tensors, out, metadata)
