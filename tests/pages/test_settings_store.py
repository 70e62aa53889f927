"""The one store of settings, and uploads that last: what wins, what is kept, and that no choice is invented."""

import itertools

import pytest
from streamlit.testing.v1 import AppTest

from pages._ui.common.uploads import Upload, within


def script() -> None:
    import streamlit as st

    from pages._ui.components.shared.settings import LiveSettings
    from pages._ui.frame import address
    from pages._ui.frame.settings_store import choose, choose_one, settings_now, show_settings

    address.on_page_enter(st.session_state["page"])
    if st.session_state["page"] in ("epochs", "train"):
        address.write_params({"run": "b"})
        return
    handed = settings_now(LiveSettings)
    if "kernel" in st.session_state:  # a control's callback
        choose_one("kernel_size", st.session_state.pop("kernel"))
        handed = settings_now(LiveSettings)
    rounded = LiveSettings(handed.sensitivity, handed.kernel_size, handed.min_area // 10 * 10, handed.logit_scale)
    if "sensitivity" in st.session_state:  # a slider on the page
        shown = LiveSettings(st.session_state.pop("sensitivity"), rounded.kernel_size, rounded.min_area)
    else:
        shown = rounded
    show_settings({"checkpoint": "a"}, shown, rounded)
    if st.session_state.pop("lesson", False):
        choose(LiveSettings(0.9))
    st.session_state["shown"] = shown


def open_page(page: str, **link: str) -> AppTest:
    at = AppTest.from_function(script)
    return go(at, page, **link)


def go(at: AppTest, page: str, **link: str) -> AppTest:
    """To a page by a link; without settings it is the sidebar's."""
    at.session_state["page"] = page
    at.query_params.clear()
    for name, value in link.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def setting(at: AppTest) -> tuple[float, int, int]:
    shown = at.session_state["shown"]
    return shown.sensitivity, shown.kernel_size, shown.min_area


def address(at: AppTest) -> dict[str, str]:
    return {name: "".join(value) for name, value in at.query_params.items()}


def change(at: AppTest, **values: float) -> AppTest:
    for name, value in values.items():
        at.session_state[name] = value
    return at.run()


def test_nobody_chose_and_nothing_is_written() -> None:
    at = open_page("inside")
    assert setting(go(at, "explore")) == (0.5, 3, 0)
    assert address(at) == {"checkpoint": "a"}


def test_a_link_wins_once_and_then_the_change() -> None:
    at = open_page("explore", sensitivity="0.7", kernel_size="5")
    assert setting(at) == (0.7, 5, 0)
    change(at, sensitivity=0.6)
    assert setting(go(at, "inside")) == (0.6, 5, 0)
    assert address(at) == {"checkpoint": "a", "sensitivity": "0.6", "kernel_size": "5"}
    # the browser's way back brings what this session wrote there before
    assert setting(go(at, "explore", checkpoint="a", sensitivity="0.7", kernel_size="5")) == (0.6, 5, 0)
    # another link is followed again, and is all that it says
    assert setting(go(at, "inside", sensitivity="0.3")) == (0.3, 3, 0)


def test_a_control_wins_over_the_link() -> None:
    at = open_page("inside", sensitivity="0.7")
    change(at, kernel=7)
    assert setting(change(at)) == (0.7, 7, 0)
    assert address(at) == {"checkpoint": "a", "sensitivity": "0.7", "kernel_size": "7"}


def test_on_one_page_the_way_back_undoes() -> None:
    at = open_page("explore")
    change(at, sensitivity=0.6)
    change(at)
    change(at, sensitivity=0.8)
    change(at)
    at.query_params["sensitivity"] = "0.6"
    assert setting(at.run()) == (0.6, 3, 0)
    del at.query_params["sensitivity"]
    assert setting(at.run()) == (0.5, 3, 0)


SHOWING = ("explore", "tune", "inside", "synthetic")
PAIRS = list(itertools.permutations((*SHOWING, "epochs", "train"), 2))


@pytest.mark.parametrize("way", ["sidebar", "link in the page", "back and forward", "reload"])
def test_every_ordered_pair_shows_the_newest_setting(way: str) -> None:
    """0.5 + n/1000 is set before the n-th step; a reload begins a new session with what the address says."""
    at = open_page("explore")
    addresses: dict[str, dict[str, str]] = {}
    newest = 0.5
    for n, (one, other) in enumerate(PAIRS, 1):
        go(at, one, **addresses.get(one, {}))
        if one in SHOWING:
            newest = setting(change(at, sensitivity=0.5 + n / 1000))[0]
        addresses[one] = address(at)
        link = {"sidebar": {}, "reload": {}, "link in the page": {"checkpoint": "a"}}.get(way, addresses.get(other, {}))
        go(at, other, **link)
        if way == "reload" and other in SHOWING:
            at = go(AppTest.from_function(script), other, **address(at))
        addresses[other] = address(at)
        if other in SHOWING:
            assert setting(at)[0] == newest, (one, other)
            assert address(at)["sensitivity"] == repr(newest), (one, other)


def test_the_sidebars_link_to_the_page_itself_changes_nothing() -> None:
    at = open_page("explore", sensitivity="0.6")
    at.run()
    assert setting(go(at, "explore")) == (0.6, 3, 0)


def test_what_a_page_rounds_nobody_chose() -> None:
    at = open_page("tune", min_area="17")
    assert setting(at) == (0.5, 3, 10)
    change(at, sensitivity=0.6)
    assert at.session_state["_chosen_settings"]["min_area"] == 17


def test_junk_in_a_link_is_passed_over() -> None:
    assert setting(open_page("explore", sensitivity="nan", kernel_size="4", min_area="x")) == (0.5, 3, 0)


def test_uploads_stay_within_their_bytes_the_newest_first() -> None:
    uploads = [Upload(name, bytes(size)) for name, size in (("a", 5), ("b", 4), ("c", 3))]
    kept, gone = within(uploads, 8)
    assert ([upload.name for upload in kept], gone) == (["b", "c"], ("a",))
    assert within(uploads, 12) == (tuple(uploads), ())
