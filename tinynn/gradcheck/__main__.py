"""`python -m tinynn.gradcheck FILE.py`."""

import sys

from tinynn.clinic.command import main

if __name__ == "__main__":
    sys.exit(main())
