"""``python -m fastact``: the same as the command ``fastact``."""

from .command.main import main

if __name__ == "__main__":
    raise SystemExit(main())
