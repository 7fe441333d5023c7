"""`python -m report`."""

from report.command import main

if __name__ == "__main__":
    main()
