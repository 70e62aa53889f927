"""Find a Chromium and start a Streamlit server: shared by the browser tests and the benchmarks. Knows no pytest."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "google-chrome", "chromium-browser")
QUIET_FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
START_SECONDS = 180  # at most: a busy machine takes long to load torch
PATIENCE = 120_000  # ms; what a test waits for at most, on a busy machine. No test passes or fails by how long it took.


def find_browser() -> str | None:
    """Path of the first installed browser of ``BROWSERS``."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def start_server(script: Path, log: Path, address: str = "127.0.0.1") -> tuple[subprocess.Popen, str]:
    """Run ``script`` by Streamlit on a free port, output to ``log``; return the process and its URL once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    options = [f"--server.address={address}", "--server.headless=true", "--browser.gatherUsageStats=false"]
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
