"""Pictures read, digested and decoded ahead, while the device is busy with those before them.

Knows files and their digests; must not know networks or results.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from draem_core.data.datasets import Sample
from draem_core.data.images import image_size, read_with_highest
from draem_core.disk import Stamp
from draem_core.errors import ImageError
from draem_core.scoring.keys import content_digest

BATCH_BYTES = 2**28
"""A batch has fewer pictures where they are this large together; two batches are held at once."""

_READERS = 2


@dataclass(frozen=True, eq=False)
class Loaded:
    """One picture as its file is now.

    stamp, digest: None where the file could not be read. pixels: (H, W, 3) uint8 RGB; None where there is a
    ``problem``, a sentence, and where the digest is the known one: then nothing was decoded. highest: the highest
    sample, where the picture's depth is a question (see `depth_note`).
    """

    sample: Sample
    stamp: Stamp | None = None
    digest: str | None = None
    pixels: np.ndarray | None = None
    problem: str = ""
    highest: int | None = None


def load_ahead(
    samples: Sequence[Sample], known: Mapping[str, str], batch_size: int
) -> Generator[list[Loaded], None, None]:
    """Yield the samples in order, in batches, while the next batch is being read.

    Args:
        known: digests by name; a picture that still has its digest is not decoded.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        try:
            coming: list[Future[Loaded]] = []
            for batch in _batches(samples, batch_size):
                now, coming = coming, [pool.submit(load, sample, known.get(sample.name)) for sample in batch]
                if now:
                    yield [future.result() for future in now]
            if coming:
                yield [future.result() for future in coming]
        finally:
            pool.shutdown(cancel_futures=True)


def load(sample: Sample, known: str | None) -> Loaded:
    """Read one picture's file; decode it unless its digest is ``known``. Whatever fails is its ``problem``."""
    try:
        stamp = Stamp.of(sample.path)  # before the content: a change in between shows as another stamp next time
        content = sample.path.read_bytes()
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "out of memory"
        return Loaded(sample, problem=f"{sample.path} could not be opened ({reason}) and was left out.")
    digest = content_digest(content)
    if digest == known:
        return Loaded(sample, stamp, digest)
    try:
        pixels, highest = read_with_highest(content, name=str(sample.path))
        return Loaded(sample, stamp, digest, pixels, highest=highest)
    except ImageError as error:
        return Loaded(sample, stamp, digest, problem=str(error))


def _batches(samples: Sequence[Sample], batch_size: int) -> Iterator[list[Sample]]:
    batch: list[Sample] = []
    held = 0
    for sample in samples:
        size = _decoded_bytes(sample)
        if batch and (len(batch) == batch_size or held + size > BATCH_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(sample)
        held += size
    if batch:
        yield batch


def _decoded_bytes(sample: Sample) -> int:
    try:
        height, width = image_size(sample.path)
    except ImageError:
        return 0  # ``load`` tells what is wrong
    return 3 * height * width
