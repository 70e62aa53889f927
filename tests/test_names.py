"""Names: the terms of the field, one meaning each. Names that newcomers tripped over once stay out."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("draem_core", "pages", "tests", "benchmarks", "docs")
SUFFIXES = {".py", ".js", ".toml", ".html", ".css", ".md"}
OWN = Path("tests/test_names.py")

ANYWHERE = ""
PYTHON = r"\.py$"
INSIDE = r"(inside|insides|inside_view|test_inside\w*)/|test_inside"
SYNTHESIS = r"synthesis/|synthetic|commands/"
LESSON = r"lesson"
METHODS = r"methods/|inference/"
NO_VERDICTS = r"^(?!draem_core/(apply|report)/|draem_core/commands/command_line|docs/usage)"  # verdicts are judgements
MAPS = r"^(draem_core|pages|tests)/"  # benchmarks measure the peak of memory, too

# what to search, what it is called instead, and in which paths
OLD_NAMES = (
    # training, runs, the queue
    (r"[Mm]idst", "EpochState", ANYWHERE),
    (r"\w+\.chance", "rng_state", PYTHON),
    (r"alone_in|writer_of", "run_lock, lock_owner", ANYWHERE),
    (r"class Line|LineError|Line(?=\()|import Line|\w*launcher\.line", "JobQueue, JobQueueError", PYTHON),
    (r"\w+\.drawing(?=\()|def drawing|class Draw|(?<=: )Draw|-> Draw|give_to", "enqueue, Reservation, commit", PYTHON),
    (r"launch[./]launched|import launched|def launched", "worker", PYTHON),
    (r"measure_apart|PaceError|pace", "step timing", ANYWHERE),
    (r"Standing|goes_on|standing\.said", "RunStatus, is_active, message", PYTHON),
    (r"Team|team\.leads|self\.leads|add_up", "Distributed, is_main, all_reduce_sum", PYTHON),
    (r"class _?Watch|_?Watch(?=\()|import Watch|(?<=: )_?Watch", "RunRecorder", PYTHON),
    (r"[Jj]udg\w*|_judg\w*", "evaluate, evaluation_set", NO_VERDICTS),
    (r"TestFigures|ValidationFigures", "TestMetrics, ValidationMetrics", PYTHON),
    (r"another_course", "what differs between two configs", PYTHON),
    (r"_?refuse_\w+", "check_…", PYTHON),
    (r"Journal", "CsvLog, ScoreLog", PYTHON),
    (r"def sheet|\w+\.sheet", "contact_sheet", PYTHON),
    # synthesis
    (r"Hand", "SampleOverrides", PYTHON),
    (r"synthesis[./]draws|import draws", "random_params", PYTHON),
    (r"coins", "anomaly_draws", SYNTHESIS),
    (r"\w+\.painted|painted(?==)|def painted", "anomalous", r"synthesis/|training/"),
    (r"(?:self|sample|stages|draw|image)\.turned|turned(?==)|def turned", "rotated", PYTHON),
    (r"piece_cards|(?:self|sample|stages|draw|view)\.piece|[Pp]iece(?:Stages|Draw\w*)|def \w*pieces?", "patch", PYTHON),
    (r"[Mm]ade[- ]up", "synthetic (anomaly)", ANYWHERE),
    (r"[Rr]epaint\w*", "reconstruct, reconstruction, reconstructive", ANYWHERE),
    # inference and evaluation
    (r"\w*short_floats?|\w+\.short|short(?==)", "half_dtype", PYTHON),
    (r"careful", "high_accuracy", ANYWHERE),
    (r"_?Tally|import tally|\w+\.tally", "HistogramAccumulator", PYTHON),
    (r"peaks?", "postprocessed_score", MAPS),
    (r"NoChoice|Choice", "OperatingPoint, NoOperatingPoint", PYTHON),
    (r"TwoWordConv|two_word\w*", "SplitPrecisionConv", PYTHON),
    (r"CoarseUpConv|coarse_up\w*|coarse", "LowResUpConv, low_res", METHODS),
    (r"spreading", "interpolation_matrix", METHODS),
    (r"_?Switches|_?switche[sd]|SWITCHED|\w+_switche[sd]|switche[sd]_\w+", "ablations, ablated", INSIDE),
    (r"lend_network", "borrow_network", PYTHON),
    (r"bones|class Plan|Plan(?=\()", "meta_model", PYTHON),
    (r"class Figures|Figures(?=[(.])|(?<=: )Figures|import Figures", "metrics; a figure is a plot", PYTHON),
    (r"def (?!test_)\w*_told", "translate_errors", r"^draem_core/"),
    (r"wording", "formatting", PYTHON),
    # pages
    (r"_?say_no_\w+", "render_missing_…", PYTHON),
    (r"import spoken|\w+\.spoken|data-spoken", "formatting, data-aria-label", ANYWHERE),
    (r"keep_bright", "disable_stale_fade", PYTHON),
    (r"settle_memory", "freeze_gc", PYTHON),
    (r"def arrive|\w+\.arrive|arrive(?=\()|is_arrival", "on_page_enter, is_unread", ANYWHERE),
    (r"newly_asked|address\.asked|asked_settings", "consume_param, param, linked_settings", PYTHON),
    (r"\w+\.places|places_of|write_places|places(?=: dict\[str, str\])", "url_params", r"^(pages|app\.py)"),
    (r"want_\w*picture", "select_image", PYTHON),
    (r"Scored|scored_dataset", "TuneData", r"^pages/.*\.py$"),
    (r"Chosen", "RunSelection", PYTHON),
    (r"class _?Look|Look(?=\()|(?<=: )Look|import Look|-> Look", "the selection of what is shown", PYTHON),
    # components and the lesson
    (r"feet\.js|(?<=/)feet", "panel_footers.js", ANYWHERE),
    (r"(?:import |\w+\.)(?:insides|synthetics)|(?:insides|synthetics)\.\w+", "views", PYTHON),
    (r"lesson[./-]band|import band|band\.\w+", "panel", LESSON),
    (r"lesson[./]course|import course|course\.\w+", "navigation", LESSON),
    (r"lesson[./]facts|import facts", "answers", PYTHON),
    (r"lesson\.arrange|def arrange|keep_up", "apply_step, rerun_if_step_changed", PYTHON),
    (r"class _?Order|_?Order(?=[(\[]| =)|(?<=: )_?Order|_no_news", "PendingSettings, _unchanged", PYTHON),
    (r"synthetics\.wall|def wall|synthetic_wall|show_wall|class Wall", "sample_grid", PYTHON),
    # English
    (r"be it that|of ours|passed over", "plain English", ANYWHERE),
)
# a file's path, part of the line that stands there for a reason
ALLOWED = (
    (
        r"epoch_state\.py$|test_training\.py$",
        r"midst\b.{0,30}(older|epoch_state|run_state|chance)|or run_state",
        "an older run's key on disk",
    ),
    (r"apply/run\.py$", r"the column ``peak``", "the column of verdicts.csv, which others read"),
    (r"", r"[\"']peak[\"']|[ ,]peak,", "the column of verdicts.csv, which others read"),
    (r"^tests/", r"peak_(of_)?memory", "memory, no map"),
    (r"CHANGELOG\.md$", r"", "tells what was renamed"),
)
OLD_MODULES = (
    "alone band coarse_up course draws facts feet insides launched midst pace piece_cards reviews scored short_float "
    "spoken switches synthetics tally test_switches two_word wording"
)


def paths() -> Iterator[Path]:
    """Return the project's own text files, relative to its root."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            own = path.relative_to(ROOT)
            if path.suffix in SUFFIXES and "node_modules" not in own.parts and own != OWN:
                yield own
    yield from (path.relative_to(ROOT) for path in sorted(ROOT.iterdir()) if path.suffix in SUFFIXES)


LINES = [
    (path.as_posix(), number, line)
    for path in paths()
    for number, line in enumerate((ROOT / path).read_text("utf-8").splitlines(), 1)
]


def found(pattern: str, where: str, lines: list[tuple[str, int, str]]) -> list[str]:
    """Return the places of an old name as ``path:number: line``."""
    name, place = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)"), re.compile(where)
    return [
        f"{path}:{number}: {line.strip()}"
        for path, number, line in lines
        if name.search(line) and place.search(path) and not is_allowed(path, line)
    ]


def is_allowed(path: str, line: str) -> bool:
    return any(re.search(place, path) and re.search(part, line) for place, part, _ in ALLOWED)


@pytest.mark.parametrize(("pattern", "instead", "where"), OLD_NAMES, ids=[row[0] for row in OLD_NAMES])
def test_an_old_name_stays_out(pattern: str, instead: str, where: str) -> None:
    places = found(pattern, where, LINES)
    assert places == [], f"say {instead}"


def test_old_modules_stay_out() -> None:
    assert [path for path, number, _ in LINES if number == 1 and Path(path).stem in OLD_MODULES.split()] == []


def test_a_class_name_means_one_thing() -> None:
    """A leading underscore makes no other name: who reads two files reads the same word twice."""
    homes = defaultdict(list)
    for path, _, line in LINES:
        if path.startswith(("draem_core/", "pages/")) and (name := re.match(r"class _?(\w+)", line)):
            homes[name[1]].append(path)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_the_search_finds_a_name_and_lets_a_part_of_another_be() -> None:
    lines = [("a.py", 1, "midst = 1"), ("a.py", 2, "amidst = 2"), ("a.md", 3, "in their midst")]
    assert found("midst", ANYWHERE, lines) == ["a.py:1: midst = 1", "a.md:3: in their midst"]
    assert found("midst", PYTHON, lines) == ["a.py:1: midst = 1"]
    assert found("careful", ANYWHERE, [("b.py", 1, "f(careful=True)"), ("b.py", 2, "is_careful")]) == [
        "b.py:1: f(careful=True)"
    ]
