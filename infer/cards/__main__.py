"""`python -m infer.cards`."""

from infer.cards.command import main

if __name__ == "__main__":
    main()
