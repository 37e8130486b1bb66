"""The only importer of the Kafka clients: producer, consumer, admin, dead letters. Their errors become ours here."""

import warnings


def allow_import() -> None:
    """Filter one warning, that would keep kafka-python from being imported where warnings are errors.

    It reads its protocol schemas by a deprecated call of importlib (Python 3.11 and 3.12). A filter for this one call:
    `catch_warnings` would not be thread-safe. Called again before each late import, because a context of somebody
    else's may have ended, and taken the filter with it.
    """
    warnings.filterwarnings(
        "ignore",
        message=r"(read|open)_text is deprecated",
        category=DeprecationWarning,
        module=r"kafka\.|importlib\.resources",
    )


allow_import()
