"""The entry point: ``streamlit run app.py`` opens on Explore, with a defect shown."""

import streamlit as st

st.switch_page("pages/1_Explore.py", query_params=st.query_params.to_dict())
