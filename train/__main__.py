"""`python -m train`: the command has a module of its own, which spawned workers can import."""

from train.command import main

main()
