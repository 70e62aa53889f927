"""Run the network once over a dataset's test images, or over those of them that are new, and keep what comes of it.

Knows the order of work; what lies on disk is the business of ``store`` and ``results``, what a metric means that of
``measure``.
"""

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from draem_core.data.datasets import Dataset, Sample
from draem_core.data.depth import depth_note
from draem_core.disk import Stamp
from draem_core.errors import Cancelled, DatasetError, NonFiniteError, ScoringError
from draem_core.grid_mask import MaskDownscaling
from draem_core.inference import Predictor
from draem_core.scoring.keys import network_key
from draem_core.scoring.pictures import load, load_ahead
from draem_core.scoring.results import ScoredDataset, forget_results, read_results, write_results
from draem_core.scoring.score_log import Record, ScoreLog
from draem_core.scoring.store import LOG, ScoreStore, exclusive

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_FOLDER = (errno.EEXIST, errno.ENOTDIR)


def score_dataset(
    predictor: Predictor,
    dataset: Dataset,
    out: Path,
    *,
    batch_size: int = 8,
    mask_downscaling: MaskDownscaling = "nearest",
    on_progress: Callable[[int, int], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ScoredDataset:
    """Score every test image and write ``maps.npy``, ``scores.parquet``, ``scores.csv`` and ``metrics.json``.

    Stopped in any way, the same call goes on where it was. Called again it runs the network only on images whose
    content changed, and opens no file that has the size and time of change it had. A folder with the results of
    another network (see `network_key`) is emptied of them first, and ``problems`` says so. An image that cannot be
    read, or whose numbers are not finite, is left out and named in ``problems``.

    Args:
        mask_downscaling: how masks come to the map's grid, see `to_grid`; another one only measures anew.
        on_progress: called with (images done, images in all): once with those done before, then after each batch.
        cancelled: asked before each batch, and for each image while measuring; True ends the work.

    Raises:
        Cancelled: ``cancelled`` said so; what is done stays.
        DatasetError: the dataset has no test image that can be scored.
        ScoringError: ``out`` cannot be written, its disk is full, or somebody else is scoring into it; what is done
            stays.
        DraemError: the device's memory ran out.
    """
    out, key = Path(out), network_key(predictor)
    progress = _ScoringProgress(len(dataset.test), on_progress, cancelled)
    with _translate_errors(out, progress):
        known = _known_if_unchanged(out, key, dataset)
        if known and (scored := read_results(out, key, dataset, known, mask_downscaling)):
            progress.tell(len(dataset.test))
            return replace(scored, problems=(*_depth_notes(known), *scored.problems))
        out.mkdir(parents=True, exist_ok=True)
        with exclusive(out):
            store = ScoreStore(out, key, predictor.card.input_size)
            unreadable = _score_missing(predictor, dataset, store, batch_size, progress)
            records = {one.name: store[one.name] for one in dataset.test if one.name not in unreadable}
            if all(record.problem for record in records.values()):
                reasons = [*unreadable.values(), *(record.problem for record in records.values())]
                why = f"The first: {reasons[0]}" if reasons else "Put pictures into its test folder."
                raise DatasetError(f"{dataset.root} has no test image that can be scored. {why}")
            scored = _complete(out, key, dataset, store, records, progress, mask_downscaling)
    notes = [f"{out} held the results of another network; they were replaced."] if store.replaces_another else []
    return replace(scored, problems=(*notes, *_depth_notes(records), *scored.problems, *unreadable.values()))


def _depth_notes(records: Mapping[str, Record]) -> list[str]:
    note = depth_note((record.highest for record in records.values()), "The set of test pictures holds")
    return [] if note is None else [note]


@dataclass
class _ScoringProgress:
    """What the caller is told and asked while the work goes on."""

    total: int
    on_progress: Callable[[int, int], object] | None
    cancelled: Callable[[], bool] | None
    done: int = 0

    def tell(self, done: int) -> None:
        self.done = done
        if self.on_progress:
            self.on_progress(done, self.total)

    def check(self) -> None:
        if self.cancelled and self.cancelled():
            raise Cancelled(f"Stopped after {self.done} of {self.total} images; start again to go on from there.")


def _known_if_unchanged(out: Path, key: str, dataset: Dataset) -> dict[str, Record]:
    """Return the log's records of all test images, or nothing where one is missing or has another stamp."""
    records = {record.name: record for record in ScoreLog(out / LOG, key).read() or []}
    unchanged = {one.name: records[one.name] for one in dataset.test if _is_current(one, records.get(one.name))}
    return unchanged if len(unchanged) == len(dataset.test) else {}


def _is_current(sample: Sample, record: Record | None) -> bool:
    if record is None or record.stamp != Stamp.of_or_none(sample.path):
        return False
    return not record.is_unread or bool(load(sample, known=None).problem)


def _score_missing(
    predictor: Predictor, dataset: Dataset, store: ScoreStore, batch_size: int, progress: _ScoringProgress
) -> dict[str, str]:
    """Score the images that are new or changed; return a sentence, by name, for each whose file cannot be opened."""
    todo = [sample for sample in dataset.test if not _is_current(sample, store.get(sample.name))]
    progress.tell(progress.total - len(todo))
    known = {one.name: record.digest for one in todo if (record := store.get(one.name)) and not record.is_unread}
    unreadable: dict[str, str] = {}
    started = time.perf_counter()
    with closing(load_ahead(todo, known, batch_size)) as batches:
        for batch in batches:
            progress.check()
            new: list[tuple[Record, np.ndarray | None]] = []
            for one in batch:
                name = one.sample.name
                if one.stamp is None or one.digest is None:
                    unreadable[name] = one.problem
                elif one.digest == known.get(name):
                    store.restamp(name, one.stamp)
                else:
                    record = Record(name, one.stamp, one.digest, problem=one.problem, is_unread=bool(one.problem))
                    record = replace(record, highest=one.highest)
                    new.append((record, one.pixels))
            scored = list(_predicted(predictor, new))
            seconds = (time.perf_counter() - started) / len(batch)
            store.add([(replace(record, seconds=seconds), anomaly_map) for record, anomaly_map in scored])
            progress.tell(progress.done + len(batch))
            started = time.perf_counter()
    return unreadable


def _predicted(
    predictor: Predictor, pictures: list[tuple[Record, np.ndarray | None]]
) -> Iterator[tuple[Record, np.ndarray | None]]:
    """Yield each record with its score, or its problem, and with its map (H, W) in the place of the picture."""
    for record, pixels in pictures:
        if pixels is None:
            yield record, None
            continue
        try:
            prediction = predictor.predict(pixels, record.name)
        except NonFiniteError as error:
            yield replace(record, problem=f"{record.name} was left out: {error}"), None
        else:
            yield replace(record, score=float(prediction.image_score)), prediction.anomaly_map


def _complete(
    out: Path,
    key: str,
    dataset: Dataset,
    store: ScoreStore,
    records: Mapping[str, Record],
    progress: _ScoringProgress,
    mask_downscaling: MaskDownscaling,
) -> ScoredDataset:
    """Bring ``maps.npy`` and the results in line with the records; nothing is written where they are already."""
    names = [name for name, record in records.items() if not record.problem]
    if not store.is_installed(names):
        forget_results(out)
        store.install(names)
    store.remove_partial()
    if scored := read_results(out, key, dataset, records, mask_downscaling):
        return scored
    return write_results(out, key, dataset, records, store.maps, progress.check, mask_downscaling)


@contextmanager
def _translate_errors(out: Path, progress: _ScoringProgress) -> Iterator[None]:
    """Turn what the disk refuses into a sentence."""
    try:
        yield
    except OSError as error:
        done = f"{progress.done} of {progress.total} images are done and kept; start again to go on from there"
        if error.errno in _FULL:
            problem = f"The disk of {out} is full. Free some space: {done}."
        elif error.errno in _FORBIDDEN:
            problem = f"{out} may not be written by this user. Change its permissions or choose another folder."
        elif error.errno == errno.ENAMETOOLONG:
            problem = f"The name of {out} is too long for its disk. Choose a folder of a shorter name."
        elif error.errno in _NO_FOLDER:
            problem = f"{out} is a file, or lies below one. Choose a folder."
        else:
            problem = f"{out} cannot be used ({error.strerror or error}). Check its drive: {done}."
        raise ScoringError(problem) from error
