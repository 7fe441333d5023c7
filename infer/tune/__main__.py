"""`python -m infer.tune`."""

from infer.tune.command import main

if __name__ == "__main__":
    main()
