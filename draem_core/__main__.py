"""``python -m draem_core``."""

from draem_core.commands.command_line import main

main()
