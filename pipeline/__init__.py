"""Stage 2's input: from a cache to batches of augmented tensors, through DALI.

The order of samples, what is drawn for them, the graph and the loader; labels and networks stay out.
"""

import faces.home  # noqa: F401 - before numba, which reads where to keep things when it is imported
