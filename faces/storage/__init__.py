"""Files that tell their own damage.

A digest inside of a file, and the two kinds of file that carry one: JSON documents and Parquet tables.
"""
