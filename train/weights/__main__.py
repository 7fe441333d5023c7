"""`python -m train.weights`: the command has a module of its own, as all commands have."""

from train.weights.command import main

main()
