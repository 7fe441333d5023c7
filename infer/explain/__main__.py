"""`python -m infer.explain`."""

from infer.explain.command import main

if __name__ == "__main__":
    main()
