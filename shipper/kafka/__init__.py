"""The only importer of the Kafka client: producer, consumer, admin, dead letters. Its errors become ours here."""

import warnings

# The client reads its protocol schemas by a deprecated call of importlib (Python 3.11 and 3.12). Where warnings are
# errors it could not even be imported. A filter for this one call: `catch_warnings` would not be thread-safe.
warnings.filterwarnings(
    "ignore",
    message=r"(read|open)_text is deprecated",
    category=DeprecationWarning,
    module=r"kafka\.|importlib\.resources",
)
