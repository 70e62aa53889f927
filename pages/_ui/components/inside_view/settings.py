"""What the Inside page looks at. Knows no Streamlit and no picture."""

from dataclasses import dataclass

from pages._ui.components.shared.settings import LiveSettings

AUTOMATIC = -1


@dataclass(frozen=True)
class StageSelection:
    """The opened stage, its channel, and the pixel that is followed.

    stage: the name of a stage. channel: −1 is the strongest one.
    row, column: on the map's grid; −1 follows none.

    Raises ValueError, in a sentence, for a value outside its range.
    """

    stage: str = "reconstruction"
    channel: int = AUTOMATIC
    row: int = AUTOMATIC
    column: int = AUTOMATIC

    def __post_init__(self) -> None:
        for name in ("channel", "row", "column"):
            if getattr(self, name) < AUTOMATIC:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {AUTOMATIC} or more")

    @property
    def pixel(self) -> tuple[int, int] | None:
        """(row, column), None where none is followed."""
        return None if AUTOMATIC in (self.row, self.column) else (self.row, self.column)


@dataclass(frozen=True)
class InsideSettings(LiveSettings):
    """All that a link to the page says: the rule that makes the mask, and the selection; see ``StageSelection``."""

    stage: str = StageSelection.stage
    channel: int = AUTOMATIC
    row: int = AUTOMATIC
    column: int = AUTOMATIC

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.selection

    @property
    def selection(self) -> StageSelection:
        return StageSelection(self.stage, self.channel, self.row, self.column)

    @classmethod
    def joined(cls, rule: LiveSettings, selection: StageSelection) -> "InsideSettings":
        return cls(**{**vars(rule), **vars(selection)})
