"""The page's address: a link wins over what the session had, once; what is chosen afterwards wins over the link."""

from streamlit.testing.v1 import AppTest


def script() -> None:
    import streamlit as st

    from pages._ui.frame import address

    address.on_page_enter(st.session_state["page"])
    if asked := address.consume_param("fruit"):
        st.session_state["fruit"] = asked
    st.selectbox("Fruit", ["apple", "pear", "plum"], key="fruit")
    address.write_params({"fruit": st.session_state["fruit"]})


def open_page(fruit: str, link: str) -> AppTest:
    at = AppTest.from_function(script)
    at.session_state["page"], at.session_state["fruit"] = "basket", fruit
    at.query_params["fruit"] = link
    return at.run()


def test_a_link_wins_over_the_session() -> None:
    assert open_page("apple", "plum").selectbox[0].value == "plum"


def test_a_choice_wins_over_the_link_it_follows() -> None:
    at = open_page("apple", "plum")
    at.selectbox[0].select("pear").run()
    assert at.selectbox[0].value == "pear"
    assert at.query_params["fruit"] == "pear"
    at.query_params["fruit"] = "plum"  # the browser's way back
    assert at.run().selectbox[0].value == "plum"


def test_arriving_from_another_page_follows_the_link_whatever_was_there() -> None:
    at = open_page("apple", "plum")
    at.session_state["fruit"] = "pear"
    at.query_params["fruit"] = "plum"
    at.session_state["page"] = "bowl"
    assert at.run().selectbox[0].value == "plum"
