"""`python -m infer`."""

from infer.command import main

if __name__ == "__main__":
    main()
