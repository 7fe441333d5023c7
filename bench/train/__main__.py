"""`python -m bench.train`."""

from bench.train.command import main

if __name__ == "__main__":
    main()
