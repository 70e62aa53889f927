"""A real Chromium and real Streamlit servers for the browser tests.

Chromium is the one installed on this machine. Without one the tests are skipped, but never where CI is set.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machinery import BROWSERS, QUIET_FLAGS, find_browser, start_server


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
        process.wait(10)
