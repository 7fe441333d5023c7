"""`python -m train.sweep`."""

from train.sweep.command import main

if __name__ == "__main__":
    main()
