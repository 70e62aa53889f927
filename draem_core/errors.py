"""Errors that a user can act on: each message names the file, says what is wrong, and the next step."""


class DraemError(Exception):
    """Base of the errors whose text is meant for the user."""


class NonFiniteError(DraemError):
    """The network's numbers for a picture are NaN or infinite; the message says whose, for which, and what to do."""


class CheckpointError(DraemError):
    """A checkpoint cannot be used; the message says which, why, and what to do."""


class ImageError(DraemError):
    """An image cannot be read; the message says which, why, and what to do."""


class DatasetError(DraemError):
    """A folder is no dataset that we know; the message says what was found and which layouts fit."""


class RecipeError(DraemError):
    """A recipe cannot be read or does not fit the checkpoint; the message says which, why, and what to do."""


class ScoringError(DraemError):
    """Results cannot be kept on disk; the message says where, why, and what to do. What is done stays."""


class Cancelled(DraemError):  # noqa: N818 – no error, but what was asked for
    """The user stopped the work; what is done stays."""
