"""A real Chromium and real Streamlit servers for the browser tests.

Chromium is the one installed on this machine. Without one the tests are skipped, but never where CI is set.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "google-chrome", "chromium-browser")
QUIET_FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
START_SECONDS = 60


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    """pytest-playwright's ``browser`` and ``page`` with the installed Chromium."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
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
            servers[script] = _start_server(script, log)
        return servers[script][1]

    yield start
    for process, _ in servers.values():
        process.terminate()
        process.wait(10)


def _start_server(script: Path, log: Path) -> tuple[subprocess.Popen, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    options = ["--server.address=127.0.0.1", "--server.headless=true", "--browser.gatherUsageStats=false"]
    with log.open("w") as output:
        process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health"):
                return process, url
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"streamlit run {script} did not start within {START_SECONDS} s; its log:\n{log.read_text()}")
