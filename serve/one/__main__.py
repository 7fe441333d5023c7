"""`python -m serve.one`."""

from serve.one.command import main

if __name__ == "__main__":
    main()
