"""`python -m infer`: the work is in `run`, so that spawned workers can import it."""

from infer.run import main

main()
