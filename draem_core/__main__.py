"""``python -m draem_core``."""

from draem_core.cli import main

main()
