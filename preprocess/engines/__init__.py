"""In which processes, on which machines, shards are made: this machine's, a Ray cluster's, or one share of an
array of jobs. What a shard is stands in `preprocess.shard`, and is the same in all of them.
"""
