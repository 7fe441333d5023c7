"""`python -m pipeline`: the loader's benchmark."""

from pipeline.bench import main

if __name__ == "__main__":
    main()
