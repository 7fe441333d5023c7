"""`python -m bench.scale`."""

from bench.scale.command import main

if __name__ == "__main__":
    main()
