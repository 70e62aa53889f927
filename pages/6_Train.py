"""Train a network: say what, start it, watch it; it goes on by itself with this page closed."""

import streamlit as st

from draem_core.errors import DraemError
from draem_core.launch.launcher import Launcher
from pages._ui.common import library
from pages._ui.common.escaping import literal, visible
from pages._ui.frame import address
from pages._ui.frame.paths import run_folder, short_name
from pages._ui.frame.shell import render_missing_dataset, start_window
from pages._ui.train.form import ask_for_training
from pages._ui.train.watch import render_line, render_run

NEW = "New training"


def choose_run(launcher: Launcher) -> str:
    """Draw the picker and return a run's name, or NEW; the address follows."""
    names = [NEW, *launcher.names()]
    if (asked := address.consume_param("run").removeprefix(f"{short_name(launcher.runs)}/")) in names:
        st.session_state["train_run"] = asked
    if st.session_state.get("train_run") not in names:
        living = [ticket.run for ticket in launcher.queue.tickets()]
        st.session_state["train_run"] = next((one for one in living if one in names), NEW)
    st.session_state["train_run"] = st.session_state["train_run"]
    with st.sidebar:
        chosen: str = st.selectbox("Run", names, key="train_run", format_func=visible, persist_state="session")
        render_line(launcher)
    wanted = {} if chosen == NEW else {"run": f"{short_name(launcher.runs)}/{chosen}"}
    address.write_params(wanted)
    return chosen


start_window("train")
launcher = Launcher(run_folder())
if (following := st.session_state.pop("train_next", None)) is not None:
    st.session_state["train_run"] = following
chosen = choose_run(launcher)
if chosen != NEW:
    render_run(launcher, chosen)
elif not (folders := library.dataset_folders()):
    st.header("Nothing to learn from yet")
    st.markdown(
        "Training needs images of **good** parts, in a folder `NAME/train/good/`; some dozens are enough to try."
    )
    render_missing_dataset()
elif (config := ask_for_training(launcher, folders)) is not None:
    try:
        launcher.start(config)
    except (DraemError, OSError) as error:
        st.error(literal(error), icon=":material/error:")
    else:
        st.session_state["train_next"] = config.out.name
        st.rerun()
library.freeze_gc("Train")
