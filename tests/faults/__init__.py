"""Everything that can befall a file or a process, done to a small real run of all stages: `make test-faults`.

Kept out of `make test`, but for the tests of the harness itself.
"""
