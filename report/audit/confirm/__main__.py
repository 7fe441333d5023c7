"""`python -m report.audit.confirm`."""

from report.audit.confirm.command import main

if __name__ == "__main__":
    main()
