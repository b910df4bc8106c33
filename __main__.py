"""``python -m seqaudit`` is the command ``seqaudit``."""

import sys

__all__ = ["run"]


def run() -> None:
    """Import the command line, and run the command that was given."""
    try:
        from .benchmarks.cli.main import main
    except KeyboardInterrupt:
        print("seqaudit: interrupted; nothing is kept", file=sys.stderr)
        sys.exit(130)
    main()


if __name__ == "__main__":
    run()
