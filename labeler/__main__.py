"""`python -m labeler` is `airylabel`."""

import sys

from labeler.cli import main

if __name__ == "__main__":
    sys.exit(main())
