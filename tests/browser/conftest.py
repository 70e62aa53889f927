"""A real Chromium and real Streamlit servers for the browser tests.

Chromium is the one installed on this machine. Without one the tests are skipped, but never where CI is set.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machinery import BROWSERS, PATIENCE, QUIET_FLAGS, ROOT, find_browser, start_server
from playwright.sync_api import expect


@pytest.fixture(autouse=True)
def _patience() -> None:
    """Expectations wait for a busy machine; Playwright's 5 s are for a quiet one."""
    expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    """pytest-playwright's ``browser`` and ``page`` with the installed Chromium."""
    path = find_browser()
    if path is None:
        reason = f"no browser is installed (looked for {', '.join(BROWSERS)} on PATH)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return {**browser_type_launch_args, "executable_path": path, "args": list(QUIET_FLAGS)}


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Start ``streamlit run`` on a script, once a session, and return its URL."""
    servers: dict[Path, tuple[subprocess.Popen, str]] = {}

    def start(script: Path) -> str:
        if script not in servers:
            log = tmp_path_factory.mktemp("streamlit") / "server.log"
            servers[script] = start_server(script, log)
        return servers[script][1]

    yield start
    for process, _ in servers.values():
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder that ``url`` serves, and that tests may write into."""
    folder = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(tiny_home, folder)
    return folder


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """The app's address, served on the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAEM_HOME", str(home))
        patch.delenv("DRAEM_DATA", raising=False)
        process, url = start_server(ROOT / "app.py", home / "server.log")
    yield url
    process.terminate()
    process.wait(60)
