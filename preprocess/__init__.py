"""Stage 1, photos to a cache of face crops: `python -m preprocess`.

The run itself, its settings, shards and workers, and what checks or joins finished caches.
"""

import faces.home  # noqa: F401 - before numba, which reads where to keep things when it is imported
