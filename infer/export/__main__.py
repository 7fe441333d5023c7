"""`python -m infer.export`."""

from infer.export.command import main

if __name__ == "__main__":
    main()
