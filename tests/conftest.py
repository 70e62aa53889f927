"""What several test files share: a home folder with small checkpoints and datasets, so that nothing bundled is needed.

Its folder is on the import path before tests/browser is collected, which imports ``tiny_home`` too.
"""

from pathlib import Path

import pytest
from tiny_home import make_home


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder, made once; tests that write into it take a copy."""
    return make_home(tmp_path_factory.mktemp("home"))
