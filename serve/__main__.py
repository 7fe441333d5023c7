"""`python -m serve`."""

from serve.command import main

if __name__ == "__main__":
    main()
