"""`python -m report.audit.planted`."""

from report.audit.planted.command import main

if __name__ == "__main__":
    main()
