"""Does everything that is made for a GPU work on this one, and how fast? `python -m doctor.gpu_check`.

Steps of a table, the most telling first, each in a process of its own with the seconds that it is allowed.
"""
