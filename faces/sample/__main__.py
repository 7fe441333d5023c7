"""`python -m faces.sample`."""

from faces.sample.command import main

if __name__ == "__main__":
    main()
