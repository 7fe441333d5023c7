"""predict.py as an export writes it, as a module."""

import sys
from types import ModuleType

from infer.export.compose import compose

predict = ModuleType("predict")
sys.modules["predict"] = predict  # its dataclasses look for their module
exec(compile(compose(), "predict.py", "exec"), predict.__dict__)
