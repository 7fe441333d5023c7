"""`python -m tests.fuzz`."""

from tests.fuzz.command import main

if __name__ == "__main__":
    main()
