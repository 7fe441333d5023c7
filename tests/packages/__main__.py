"""`python -m tests.packages`."""

from tests.packages.command import main

if __name__ == "__main__":
    main()
