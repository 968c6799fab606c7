"""The version of this package, where anything may ask for it."""

__version__ = "0.1.0"
