"""`python -m doctor`."""

from doctor.command import main

if __name__ == "__main__":
    main()
