"""What befalls processes: signals, doubles, disks, memory, streams, clocks.

A trial says what is done to which command; the campaign above does it.
"""
