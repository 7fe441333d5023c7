"""`python -m preprocess.look.explain`."""

from preprocess.look.explain.command import main

if __name__ == "__main__":
    main()
