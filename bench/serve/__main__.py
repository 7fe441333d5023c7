"""`python -m bench.serve`."""

from bench.serve.command import main

if __name__ == "__main__":
    main()
