"""The network that a recipe means: its weights found by their digest, computing as they did when it was tuned.

Knows no pictures.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from draem_core.checkpoints import checkpoint_digest, list_checkpoints, load_checkpoint
from draem_core.checkpoints.assumptions import assumptions_of
from draem_core.checkpoints.files import PAIR_SUFFIXES, pair_of, parts_of
from draem_core.errors import CheckpointError, DraemError, RecipeError
from draem_core.inference import Predictor
from draem_core.inference.devices import pick_device
from draem_core.inference.precision import Precision
from draem_core.installation import app_folder, state_folder
from draem_core.recipe import Recipe, RecipeCheckpoint, check_card


@dataclass(frozen=True, eq=False)
class OpenedRecipe:
    """A recipe's network, and a sentence for each reason why its maps may differ, and for what is assumed of it."""

    predictor: Predictor
    notes: tuple[str, ...]


def open_recipe(
    recipe: Recipe, checkpoint: Path | None = None, device: str | None = None, precision: Precision | None = None
) -> OpenedRecipe:
    """Load the recipe's weights onto a device.

    Args:
        checkpoint: the weights' file; None looks for it with `find_weights`.
        device, precision: None takes the recipe's, so that the maps are the same to the bit on the same machine.

    Raises:
        RecipeError: the weights are not the recipe's, or are not found.
        CheckpointError, DraemError: as `load_checkpoint` and `Predictor` do.
    """
    loaded = load_checkpoint(checkpoint or find_weights(recipe.checkpoint, weight_folders()))
    check_card(recipe, loaded.card)
    tuned = recipe.computation
    place = device or _device_like(tuned.device)
    if precision is None:
        # First as it was asked for: float32 that "auto" fell back to may fold batch-norm where plain float32 does not.
        predictor = Predictor(loaded, place, tuned.asked)
        if predictor.precision != tuned.precision:
            predictor = Predictor(loaded, place, tuned.precision)
    else:
        predictor = Predictor(loaded, place, precision)
    notes = assumptions_of(loaded.card)
    then, now = (tuned.device, tuned.precision), (predictor.device.type, predictor.precision)
    if then == now:
        return OpenedRecipe(predictor, notes)
    note = (
        f"The recipe was tuned on {then[0]} in {then[1]}, this runs on {now[0]} in {now[1]}: pixels close to the "
        "threshold may fall on its other side."
    )
    return OpenedRecipe(predictor, (note, *notes))


def weight_folders() -> list[Path]:
    """Return checkpoints/ and runs/ below the state, the working folder and the app, as far as they exist."""
    homes = [state_folder(), Path.cwd(), app_folder()]
    folders = [home.absolute() / name for home in homes for name in ("checkpoints", "runs")]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def find_weights(wanted: RecipeCheckpoint, folders: Iterable[Path]) -> Path:
    """Return the checkpoint below ``folders`` that has the digest, whatever its name. Raises RecipeError."""
    searched = list(folders)
    found = [path for folder in searched for path in list_checkpoints(folder)]
    for path in sorted(found, key=lambda path: path.stem != wanted.name):  # likely ones first: a digest reads it all
        if any(_digest(files) == wanted.digest for files in _weights_files(path)):
            return path
    places = ", ".join(str(folder) for folder in searched) or "checkpoints/ and runs/, which do not exist here"
    raise RecipeError(
        f"The recipe's checkpoint {wanted.name} (digest {wanted.digest[:12]}…) is not among the {len(found)} in "
        f"{places}. Copy it there, set DRAEM_HOME, or name its file with --checkpoint."
    )


def _weights_files(path: Path) -> Iterator[tuple[Path, ...]]:
    with suppress(CheckpointError):  # a part is missing: then the weights are not whole here
        yield parts_of(path)
    pair = pair_of(path)
    if path.suffix.lower() in PAIR_SUFFIXES and all(half.is_file() for half in pair):
        yield pair


def _digest(files: tuple[Path, ...]) -> str | None:
    try:
        return checkpoint_digest(files)
    except OSError:
        return None  # what cannot be read cannot be the one


def _device_like(kind: str) -> str:
    try:
        return str(pick_device(kind))
    except DraemError:
        return "auto"
