"""`python -m train.leak`."""

from train.leak.command import main

if __name__ == "__main__":
    main()
