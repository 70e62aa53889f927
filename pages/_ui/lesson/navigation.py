"""Where the lesson is and what a step sets up. The address says which step it is, so a reload and a link keep it.

Knows nothing of what a step says: `pages._ui.lesson.panel` shows that.
"""

import streamlit as st

from pages._ui.common import library
from pages._ui.components.inside_view import order_selection
from pages._ui.components.inside_view.stroke import Stroke
from pages._ui.frame import address
from pages._ui.frame.paths import short_name
from pages._ui.frame.settings_store import choose
from pages._ui.lesson.steps import CHECKPOINT, DATASET, STEPS, InsideStep, Step
from pages._ui.texts import linked_language

FILES = {"inside": "pages/4_Inside.py", "synthetic": "pages/5_Synthetic.py"}
_PLACE = "lesson"  # in the address: the step's number, from 1
_APPLIED = "_lesson_applied"  # in the session: the step that the page was set to
_ANSWERED = "_lesson_answered"  # and the step whose answer was asked for
_LAST = "_lesson_last"  # and the step that was shown last, also after the lesson was left
_FORGOTTEN = ("source", "inside_experiment", "inside_pair", "inside_skips")  # widgets that go back to where they begin


def number() -> int:
    """Return the step that the address asks for, from 1; 0 outside the lesson."""
    asked = address.param(_PLACE)
    is_number = asked.isascii() and asked.isdigit() and len(asked) < 10  # Python refuses to read thousands of digits
    return int(asked) if is_number and 1 <= int(asked) <= len(STEPS) else 0


def is_on() -> bool:
    """Tell whether the page is part of the lesson now."""
    return bool(number()) and not missing()


def step() -> Step | None:
    """Return the step that the page shows; None outside the lesson and where its demo is missing."""
    applied = st.session_state.get(_APPLIED, 0)
    return STEPS[applied - 1] if applied and applied == number() else None


def prepared_stroke() -> Stroke | None:
    """Return what the present step paints on its picture."""
    now = step()
    return now.stroke if isinstance(now, InsideStep) else None


def last() -> int:
    """Return the step to go on with, 1 where no lesson was begun."""
    return int(st.session_state.get(_LAST, 1))


def missing() -> tuple[str, ...]:
    """Return what the lesson needs and does not find: names of files or folders."""
    found = {short_name(path) for path in (*library.checkpoint_files(), *library.dataset_folders())}
    return tuple(name for name in (CHECKPOINT, DATASET) if name not in found)


def apply_step(page: str) -> None:
    """Set the page to the step that the address asks for, once; go to the step's page first where it is another.

    To be called before the page makes its first widget.
    """
    wanted = number()
    if not wanted or missing():
        st.session_state.pop(_APPLIED, None)
        return
    chosen = STEPS[wanted - 1]
    link = {_PLACE: str(wanted)} | ({"lang": linked_language()} if linked_language() else {})
    if chosen.page != page:
        st.switch_page(FILES[chosen.page], query_params=link)
    if st.session_state.get(_APPLIED) == wanted:
        return
    st.session_state[_APPLIED] = st.session_state[_LAST] = wanted
    st.session_state.pop(_ANSWERED, None)
    _choose(chosen)
    if isinstance(chosen, InsideStep):
        order_selection(chosen.selection, page, chosen.part)
        st.query_params.from_dict(link)
    else:
        st.query_params.from_dict(address.link(link | {"image": chosen.picture}, chosen.settings))


def rerun_if_step_changed() -> None:
    """Run the whole page anew where the lesson has moved: a fragment's own run would not apply the step."""
    if number() != st.session_state.get(_APPLIED, 0) and not missing():
        st.rerun()


def go(to: int) -> None:
    """Move to a step, 0 to leave the lesson. Takes effect when the page runs next."""
    if 1 <= to <= len(STEPS):
        st.query_params[_PLACE] = str(to)
    elif to == 0 and _PLACE in st.query_params:
        del st.query_params[_PLACE]


def is_answered() -> bool:
    """Tell whether the present step's answer was asked for."""
    return bool(number()) and st.session_state.get(_ANSWERED) == number()


def answer(shown: bool) -> None:
    """Show the present step's answer, or hide it."""
    st.session_state[_ANSWERED] = number() if shown else 0


def _choose(chosen: Step) -> None:
    """Choose checkpoint, picture and mask's rule as if it had been done by hand."""
    kinds = [str(name) for name in st.session_state if str(name).startswith("kind ")]
    for name in (*_FORGOTTEN, *kinds):
        st.session_state.pop(name, None)
    choose(chosen.rule)
    st.session_state.update(checkpoint=CHECKPOINT, dataset=DATASET, image=chosen.picture)
