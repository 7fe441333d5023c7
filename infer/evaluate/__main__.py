"""`python -m infer.evaluate`."""

from infer.evaluate.command import main

if __name__ == "__main__":
    main()
