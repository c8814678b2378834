"""``python -m parallelflow``: the ``parallelflow`` command."""

from __future__ import annotations

import sys

from parallelflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
