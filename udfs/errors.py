"""The errors of this project. None of them quotes a document.

EnrichmentError
├── ConfigError       refused before work: names key, value, allowed range and fix
├── ModelLoadError    the checkpoint cannot be trusted to classify
├── InferenceError    the model failed on documents
├── DeviceError       the device failed, whatever the documents: this process is of no more use
└── PublishError      the result is not whole; the previous output stays
"""

from __future__ import annotations


class EnrichmentError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigError(EnrichmentError, ValueError):
    """A setting is refused before any work. A `ValueError`, so that pydantic collects it."""


class ModelLoadError(EnrichmentError):
    """A checkpoint is missing, incomplete or inconsistent."""


class InferenceError(EnrichmentError):
    """The model failed on a document."""


class DeviceError(EnrichmentError):
    """A device is unusable in this process; a worker that raises it is replaced by Spark."""


class PublishError(EnrichmentError):
    """A result is not whole or could not be put in place."""
