"""A page that shows nothing but the tuner, on a payload file that its URL names: what the benchmark drives.

Query: ``payload``, a file of packed bytes, and any field of TunerSettings.
"""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from pages._ui.components.shared.settings import read_settings
from pages._ui.components.tuner import TunerSettings, tuner

st.set_page_config(layout="wide")
asked = read_settings(st.query_params.to_dict(), TunerSettings())
tuner(Path(st.query_params["payload"]).read_bytes(), asked, on_open=lambda name: None, key="tuner")
