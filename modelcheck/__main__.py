"""python -m modelcheck."""

import sys

if __name__ == "__main__":
    try:
        from modelcheck.cli import main
    except KeyboardInterrupt:
        sys.exit(3)
    sys.exit(main())
