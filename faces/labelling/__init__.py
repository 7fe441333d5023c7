"""How are label sets written down? As files of people, and in caches and runs.

Reading them, writing them, and what differs between two; what a factor is stands above, in faces."""
