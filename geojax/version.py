"""The version, which library files read without importing the package."""

__version__ = "0.2.0"
