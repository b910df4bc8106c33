"""``python -m seqaudit`` is the command ``seqaudit``."""

from .benchmarks.cli.main import main

if __name__ == "__main__":
    main()
