"""Where the assets are: templates, pipelines, dashboards and the schema.

They stand at the top of the repository and travel inside the wheel under `shipper/_assets/`.
"""

from __future__ import annotations

from pathlib import Path

from shipper.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parent


def asset(name: str) -> Path:
    """Return the path of the asset file or folder `name`, for example `es_templates`.

    Raises:
        ConfigurationError: the installation is incomplete.
    """
    for root in (_PACKAGE / "_assets", _PACKAGE.parent):
        path = root / name
        if path.exists():
            return path
    raise ConfigurationError(f"The installation of shipper lacks {name}; install the package again.")
