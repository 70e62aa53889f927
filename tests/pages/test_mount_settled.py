"""What a live component is told and what comes back: whose word counts when page and sliders say different things."""

from streamlit.testing.v1 import AppTest


def script() -> None:
    from typing import Any

    import streamlit as st

    from pages._ui.components.shared import mount_settled
    from pages._ui.components.shared.settings import LiveSettings

    def mount(**_: Any) -> None:
        """Stand in for the browser: what it says lies under the component's key."""

    asked = LiveSettings(st.session_state["asked"])
    shown = mount_settled(mount, {}, asked, key="sliders", orders=st.session_state["orders"])
    st.session_state["shown"] = shown.sensitivity
    st.session_state["revision"] = st.session_state["_live_order_sliders"].revision


def run(at: AppTest, asked: float, orders: int, dragged: float | None = None) -> float:
    """Run the page once: what it passes in, and where a hand has moved the slider to since the last order."""
    at.session_state["asked"], at.session_state["orders"] = asked, orders
    if dragged is not None:
        at.session_state["sliders"] = {"settled": {"sensitivity": dragged, "revision": at.session_state["revision"]}}
    at.run()
    assert not at.exception
    return float(at.session_state["shown"])


def test_an_order_back_to_what_the_page_passed_in_before_is_followed() -> None:
    at = AppTest.from_function(script)
    assert run(at, 0.5, orders=1) == 0.5
    assert run(at, 0.5, orders=1, dragged=0.7) == 0.7
    assert run(at, 0.5, orders=2) == 0.5
    assert run(at, 0.5, orders=2) == 0.5
    assert run(at, 0.5, orders=2, dragged=0.8) == 0.8


def test_without_an_order_the_hand_wins_over_what_the_page_repeats() -> None:
    at = AppTest.from_function(script)
    run(at, 0.5, orders=1)
    assert run(at, 0.5, orders=1, dragged=0.7) == 0.7
    assert run(at, 0.5, orders=1, dragged=0.8) == 0.8  # a run that was cut short kept nothing
    assert run(at, 0.8, orders=1) == 0.8
    assert run(at, 0.6, orders=1) == 0.6


def test_an_order_of_what_is_shown_leaves_the_browser_alone() -> None:
    at = AppTest.from_function(script)
    run(at, 0.5, orders=1)
    run(at, 0.5, orders=1, dragged=0.7)
    assert run(at, 0.7, orders=2) == 0.7
    assert at.session_state["revision"] == 1
