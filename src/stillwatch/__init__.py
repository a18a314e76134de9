"""stillwatch: find illicit distillation of hosted language models, and prove it."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("stillwatch")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
