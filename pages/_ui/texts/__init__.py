"""The words that people read, in the language that they chose: ``text("sidebar.uploaded", name="a.ckpt")``.

The words lie in one TOML file for each language beside this module; add a file and the picker offers it. A link's
``lang`` decides once, then what was chosen, on every page; before that the browser's locale, then English.
"""

from numbers import Number
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages._ui.common.escaping import Markdown, literal, visible
from pages._ui.texts.catalogue import ENGLISH, Language, language_for, names_in, read_languages

__all__ = ["choose_language", "language", "linked_language", "markdown", "names_of", "speak", "text", "texts_under"]

FOLDER = Path(__file__).parent
_CHOSEN = "lang"  # in the session and in the link
_LAST = "_last_lang"
_HEARD = "_heard_langs"  # in the session: by code, whether a link said it (True) or this app wrote it into the address


def text(key: str, **values: object) -> str:
    """Return the text under a dotted key, its {values} filled in; numbers take a format: ``{score:.4f}``.

    Raises:
        KeyError: no such key in English.
        ValueError: the values are not just those that the text names.
    """
    template = language().texts[key]
    if names_in(template) != values.keys():
        raise ValueError(f"{key} takes the values {sorted(names_in(template))}, not {sorted(values)}")
    return template.format(**values)


def markdown(key: str, **values: object) -> Markdown:
    """Return the text under a key as Markdown, its values shown sign by sign; numbers and Markdown stay as they are.

    Raises:
        KeyError, ValueError: as ``text``.
    """
    return Markdown(
        text(key, **{name: one if isinstance(one, Number) else literal(one) for name, one in values.items()})
    )


def names_of(key: str) -> frozenset[str]:
    """Return the names of the values that the text under a key takes; raises KeyError."""
    return names_in(language().texts[key])


def texts_under(prefix: str) -> dict[str, str]:
    """Return the templates whose keys begin with ``prefix.``, without it: a component's words, for its payload."""
    start = f"{prefix}."
    return {key.removeprefix(start): found for key, found in language().texts.items() if key.startswith(start)}


def language() -> Language:
    """Return the language that is spoken now; English where no page runs, as in a test or a background job."""
    known = read_languages(FOLDER)
    if get_script_run_ctx(suppress_warning=True) is None:
        return known[ENGLISH]
    chosen = st.session_state.get(_CHOSEN)
    return known[chosen if chosen in known else _first()]


def speak() -> None:
    """Settle the language, before a page says its first word, and tell the browser: it picks glyphs by it."""
    known, heard = read_languages(FOLDER), st.session_state.setdefault(_HEARD, {})
    asked = st.query_params.get(_CHOSEN, "")
    if asked in known and asked not in heard:
        heard[asked] = True
        st.session_state[_CHOSEN] = asked
    if st.session_state.get(_CHOSEN) not in known:
        st.session_state[_CHOSEN] = _first()
    # told anew: a widget of another page begins with its first option, whatever its key stands for
    code = st.session_state[_LAST] = st.session_state[_CHOSEN] = st.session_state[_CHOSEN]
    st.html(f"<script>document.documentElement.lang = '{code}'</script>", unsafe_allow_javascript=True)


def choose_language() -> None:
    """Draw the picker, each language named in itself, and say what is wrong with the chosen one's file."""
    known = read_languages(FOLDER)
    st.selectbox(
        "Language · 語言",
        list(known),
        key=_CHOSEN,
        format_func=lambda code: visible(known[code].name),
        persist_state="session",
        label_visibility="collapsed",
    )
    if linked_language() != st.query_params.get(_CHOSEN, ""):
        st.session_state[_HEARD].setdefault(linked_language(), False)
        st.query_params.from_dict(st.query_params.to_dict() | {_CHOSEN: linked_language()})
    for problem in language().problems[:3]:
        st.warning(literal(problem), icon=":material/translate:")


def linked_language() -> str:
    """Return what a link has to say to be read in this language; empty where the browser's locale says it, unless a
    link said it too.
    """
    code = language().code
    return "" if code == _by_locale() and not st.session_state.get(_HEARD, {}).get(code) else code


def _first() -> str:
    """Return the code to begin with: this session's last, else the link's, else the browser's locale's."""
    asked = (st.session_state.get(_LAST), st.query_params.get(_CHOSEN, ""))
    return next((code for code in asked if code in read_languages(FOLDER)), _by_locale())


def _by_locale() -> str:
    return language_for(st.context.locale, read_languages(FOLDER).values()) or ENGLISH
