"""How a step, an epoch and a whole training go.

Optimisers, schedules, precision, processes, checkpoints; nothing that knows a task.
"""
