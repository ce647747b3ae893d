"""``python -m fastact``: the same as the command ``fastact``."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
