"""Files that tell their own damage, and cells of tables for everybody.

A digest inside of a file, the two kinds of file that carry one (JSON documents and Parquet tables), and CSV.
"""
