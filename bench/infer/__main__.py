"""`python -m bench.infer`."""

from bench.infer.command import main

if __name__ == "__main__":
    main()
