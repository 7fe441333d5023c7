"""`python -m bench.whole`."""

from bench.whole.command import main

if __name__ == "__main__":
    main()
