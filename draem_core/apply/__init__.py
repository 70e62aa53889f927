"""Apply a recipe to pictures without the app: ``inputs`` (which pictures), ``weights`` (which network), ``run``."""

from draem_core.apply.inputs import Source, find_sources
from draem_core.apply.run import UNFINISHED, Summary, Verdict, apply_recipe
from draem_core.apply.weights import OpenedRecipe, open_recipe

__all__ = ["UNFINISHED", "OpenedRecipe", "Source", "Summary", "Verdict", "apply_recipe", "find_sources", "open_recipe"]
