"""`python -m preprocess.look`."""

from preprocess.look.command import main

if __name__ == "__main__":
    main()
