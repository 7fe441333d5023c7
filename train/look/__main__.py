"""`python -m train.look`."""

from train.look.command import main

if __name__ == "__main__":
    main()
