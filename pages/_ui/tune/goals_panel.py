"""Goals instead of numbers: choose one, read which threshold it means and why, take it over."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import streamlit as st

from draem_core.evaluation import goals
from draem_core.evaluation.goals import NoOperatingPoint, OperatingPoint, Zones
from draem_core.evaluation.tuning import TuningSet
from pages._ui.common.escaping import literal
from pages._ui.components.tuner import TunerSettings

_BEST_F1, _RECALL, _ALARMS, _COST, _ZONES = (
    "Best F1",
    "No defect missed",
    "Few false alarms",
    "Least cost",
    "Three zones",
)
_WANTED = "_goal_settings"  # in the session: settings that a goal asks for, taken over in the next run


def goal_settings() -> TunerSettings | None:
    """Return the settings that a click on a goal asked for, once."""
    wanted: TunerSettings | None = st.session_state.pop(_WANTED, None)
    return wanted


def render_goals(tuning: TuningSet, settings: TunerSettings) -> None:
    """Draw the goals; each is worked out at the present kernel size and minimum area."""
    names = [_BEST_F1, _RECALL, _ALARMS, _COST, _ZONES]
    if not tuning.grid.image_labels.any():
        names.sort(key=lambda name: name != _ALARMS)  # the one that good images alone can meet
    with st.container(border=True):
        left, right = st.columns([2, 5], vertical_alignment="center")
        with left:
            goal = st.selectbox(
                "Goal",
                names,
                key="goal",
                help="Each works out the sensitivity that means it, at the present kernel size and minimum area.",
            )
            found = _work_out(str(goal), trial_at(tuning, settings))
        with right:
            _render_found(found, settings)


Trial = tuple[np.ndarray, np.ndarray, np.ndarray]  # scores, labels, stops


def trial_at(tuning: TuningSet, settings: TunerSettings) -> Trial:
    """Return postprocessed scores, labels and stops at the settled kernel size and minimum area."""
    grid = tuning.grid
    scores = grid.postprocessed_scores(settings.kernel_size, grid.nearest_area(settings.min_area))
    return scores, grid.image_labels, grid.sensitivities


def _work_out(goal: str, trial: Trial) -> OperatingPoint | Zones | NoOperatingPoint:
    if goal == _RECALL:
        return goals.full_recall(*trial)
    if goal == _ALARMS:
        share = st.number_input("False alarms at most, % of good images", 0.0, 100.0, 2.0, 0.5, key="goal_share")
        return goals.at_most_false_alarms(*trial, share / 100)
    if goal == _COST:
        one, other = st.columns(2)
        miss = one.number_input("Cost of a miss", 0.0, None, 10.0, key="goal_miss")
        alarm = other.number_input("Cost of a false alarm", 0.0, None, 1.0, key="goal_alarm")
        return goals.least_cost(*trial, miss, alarm)
    if goal == _ZONES:
        one, other = st.columns(2)
        misses = one.number_input("Misses among OK, % of defects", 0.0, 100.0, 0.0, 0.5, key="goal_misses")
        alarms = other.number_input("False alarms among NG, % of good", 0.0, 100.0, 0.0, 0.5, key="goal_alarms")
        return goals.zones(*trial, misses / 100, alarms / 100)
    return goals.best_f1(*trial)


def _render_found(found: OperatingPoint | Zones | NoOperatingPoint, settings: TunerSettings) -> None:
    if isinstance(found, NoOperatingPoint):
        st.info(literal(found.reason), icon=":material/info:")
        return
    if isinstance(found, Zones):
        wanted = replace(
            settings,
            sensitivity=found.sensitivity,
            zones=True,
            unsure_sensitivity=found.unsure_sensitivity,
        )
        head = f"NG above **{found.threshold:.6g}**, unsure above **{found.unsure_threshold:.6g}**"
    else:
        wanted = replace(settings, sensitivity=found.sensitivity)
        head = f"Threshold **{found.threshold:.6g}** (sensitivity {found.sensitivity:.6g})"
    text, button = st.columns([5, 1], vertical_alignment="center")
    text.markdown(f"{head}  \n{literal(found.reason)}")
    button.button("Use it", on_click=take_over(wanted), disabled=wanted == settings, key="use_goal")


def take_over(wanted: TunerSettings) -> Callable[[], None]:
    """Return a button's callback that orders these settings."""

    def remember() -> None:
        st.session_state[_WANTED] = wanted

    return remember
