"""`python -m bench.preprocess`."""

from bench.preprocess.command import main

if __name__ == "__main__":
    main()
