"""`python -m preprocess --data DIR --cache DIR`."""

from preprocess.run import main

if __name__ == "__main__":
    main()
