"""``draem-explorer run``: set the state up where it is missing, then serve the app."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from draem_core.commands.terminal import say
from draem_core.data.demo import make_demo
from draem_core.installation import app_folder, copy_bundled_checkpoints, state_folder


def run_command(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the app listens.")] = 8501,
    address: Annotated[str, typer.Option(help="127.0.0.1 is this computer alone; 0.0.0.0 is every one.")] = "127.0.0.1",
    demo: Annotated[bool, typer.Option(help="Draw the demo dataset where it is missing.")] = True,
) -> None:
    """Serve the app. Checkpoints, runs and datasets lie in DRAEM_HOME, else in the checkout or ~/draem-explorer."""
    state = state_folder()
    for folder in ("checkpoints", "runs", "datasets"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    if new := copy_bundled_checkpoints(state):
        say(f"Copied {len(new)} bundled files into {state / 'checkpoints'}")
    if demo and not (state / "datasets" / "demo" / "README.txt").exists():
        say(f"Drawing the demo dataset into {state / 'datasets' / 'demo'}, once")
        make_demo(state / "datasets" / "demo")
    command = [sys.executable, "-m", "streamlit", "run", str(app_folder() / "app.py")]
    command += ["--server.address", address, "--server.port", str(port)]
    environment = {**os.environ, "DRAEM_HOME": str(state)}
    if os.name == "posix":  # in this process's place, so that whoever stops it stops the server
        os.execve(sys.executable, command, environment)
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
