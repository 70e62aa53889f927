"""One rule makes the mask on every page: ``PostProcess`` with what only a page needs, checked once, linked as ever."""

import numpy as np
import pytest

from draem_core.postprocess import PostProcess
from pages._ui.components.inside_view.settings import InsideSettings
from pages._ui.components.shared.settings import LiveSettings, read_settings
from pages._ui.components.synthetic_view.settings import SyntheticSettings
from pages._ui.components.tuner.settings import TunerSettings
from pages._ui.components.viewer.settings import ViewerSettings

KINDS = (LiveSettings, ViewerSettings, TunerSettings, InsideSettings, SyntheticSettings)
every_page = pytest.mark.parametrize("kind", KINDS)


@every_page
def test_a_pages_settings_are_the_mask_rule_and_more(kind: type[LiveSettings]) -> None:
    settings = kind(sensitivity=0.25, kernel_size=1, min_area=3)
    assert settings.post_process == PostProcess(0.25, 1, 3)
    assert settings.threshold == np.float32(0.75)
    row = np.array([[0.75, 0.76, 0.8, 0.9, 0.0, 0.9]], np.float32)  # 0.75 is not above; three in a row stay, one goes
    np.testing.assert_array_equal(settings.apply(row), [[False, True, True, True, False, False]])
    assert kind().post_process == PostProcess()


@every_page
@pytest.mark.parametrize(
    "wrong",
    [{"sensitivity": 1.5}, {"sensitivity": float("nan")}, {"kernel_size": 0}, {"min_area": -1}, {"min_area": 2.5}],
    ids=str,
)
def test_what_no_mask_rule_can_be_is_refused_in_the_same_words(
    kind: type[LiveSettings], wrong: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match="must") as rule:
        PostProcess(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must") as page:
        kind(**wrong)  # type: ignore[arg-type]
    assert str(page.value) == str(rule.value)


@every_page
@pytest.mark.parametrize("kernel_size", [2, 4, 33])
def test_a_kernel_that_no_slider_has_is_refused(kind: type[LiveSettings], kernel_size: int) -> None:
    assert PostProcess(kernel_size=kernel_size).kernel_size == kernel_size
    with pytest.raises(ValueError, match=f"kernel_size is {kernel_size}; it must be odd, from 1 to 31"):
        kind(kernel_size=kernel_size)


@every_page
def test_a_link_reads_as_before(kind: type[LiveSettings]) -> None:
    link = {"sensitivity": "0.731", "kernel_size": "7", "min_area": "40", "logit_scale": "true"}
    read = read_settings(link, kind())
    assert read == kind(sensitivity=0.731, kernel_size=7, min_area=40, logit_scale=True)
    assert read_settings({"sensitivity": "2", "kernel_size": "8", "min_area": "-1"}, read) == read
