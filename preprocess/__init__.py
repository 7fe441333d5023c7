"""Stage 1, photos to a cache of face crops: `python -m preprocess`.

The run itself, its settings, shards and workers, and what checks or joins finished caches.

Public: `PreprocessSettings` and `preprocess`, which makes a cache; `Cache`, a finished one, by
`Cache.open(folder)`.
"""

from typing import TYPE_CHECKING

import faces.home  # noqa: F401 - before numba, which reads where to keep things when it is imported
from faces import public_names

if TYPE_CHECKING:
    from faces.cache.reader import Cache
    from preprocess.run import preprocess
    from preprocess.settings import PreprocessSettings

__all__ = ["Cache", "PreprocessSettings", "preprocess"]
__getattr__ = public_names(
    {
        "Cache": "faces.cache.reader",
        "PreprocessSettings": "preprocess.settings",
        "preprocess": "preprocess.run",
    }
)
