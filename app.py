"""The entry point: ``streamlit run app.py`` serves the pages; run as the page ``/`` itself, it opens Explore."""

import streamlit as st
from starlette.middleware import Middleware

from pages._ui.frame.server import KnownHosts, OwnAddressesOnly, say_what_failed

app = st.App(
    __file__,
    middleware=[Middleware(KnownHosts), Middleware(OwnAddressesOnly)],
    on_script_error=say_what_failed,
)

if __name__ == "__main__":
    st.switch_page("pages/1_Explore.py", query_params=st.query_params.to_dict())
