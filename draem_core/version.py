"""The version, in its one place: pyproject.toml, recipes and the command line read it here."""

__version__ = "0.1.0"
