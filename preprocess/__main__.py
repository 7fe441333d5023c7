"""`python -m preprocess --data DIR --cache DIR`."""

from preprocess.command import main

if __name__ == "__main__":
    main()
