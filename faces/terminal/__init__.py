"""What commands show on a terminal.

Their output, which cannot steer it, and the progress of long jobs.
"""
