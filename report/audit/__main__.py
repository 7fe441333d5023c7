"""`python -m report.audit`."""

from report.audit.command import main

if __name__ == "__main__":
    main()
