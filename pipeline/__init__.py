"""Cache to batches: the order of an epoch, its augmentation, the DALI graph, the loader."""
