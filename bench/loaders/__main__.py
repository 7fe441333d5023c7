"""`python -m bench.loaders`."""

from bench.loaders.command import main

if __name__ == "__main__":
    main()
