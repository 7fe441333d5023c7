"""`python -m train`: the work is in `run`, so that spawned workers can import it."""

from train.command import main

main()
