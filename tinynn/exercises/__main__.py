"""`python -m tinynn.exercises FOLDER`."""

import sys

from tinynn.exercises.command import main

if __name__ == "__main__":
    sys.exit(main())
