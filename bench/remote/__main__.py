"""`python -m bench.remote`."""

from bench.remote.command import main

if __name__ == "__main__":
    main()
