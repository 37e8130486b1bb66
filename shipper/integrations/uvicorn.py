"""uvicorn: its messages and its access log as records, each once. Needs uvicorn only where uvicorn runs.

::

    shipper.configure(service="scoring")
    uvicorn.run(app, log_config=shipper.integrations.uvicorn.log_config())

From the command line: `uvicorn app:app --log-config uvicorn-log.json`, with the file made by
`python -m shipper.integrations.uvicorn > uvicorn-log.json`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from shipper.integrations.handing_up import handing_up


def log_config(level: str = "INFO", *, access: bool = True) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig`, as uvicorn takes it.

    The root logger gets our handler; uvicorn's loggers hand up to it and keep none of their own.

    Args:
        level: of the root logger and uvicorn's.
        access: whether each request is a record (logger `uvicorn.access`).
    """
    return handing_up(
        level, loggers=["uvicorn", "uvicorn.error"], access_logger="uvicorn.access", access=access
    )


if __name__ == "__main__":
    json.dump(log_config(), sys.stdout, indent=2)
    sys.stdout.write("\n")
