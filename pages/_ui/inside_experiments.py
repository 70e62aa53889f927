"""What one can try on the Inside page below the stages: switches, losses, figures. Each is computed when chosen."""

from pages._ui.inside import Look, View
from pages._ui.library import Picture
from pages._ui.shell import Workspace


def render_experiments(workspace: Workspace, picture: Picture, view: View, look: Look) -> None:
    """Draw the chosen experiment."""
