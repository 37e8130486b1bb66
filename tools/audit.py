"""Look the installed dependencies up in a database of known vulnerabilities, with pip-audit.

Exit codes: 0 all were looked up and none is known to be vulnerable, 1 some are, 2 the audit was not done. A database
that does not answer, or packages that it could not be asked about, are never taken for "nothing found".

Arguments go to pip-audit as they are: `-r FILE`, `-s osv`, `--ignore-vuln ID` (with a reason in the commit message).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PASSED, VULNERABLE, NOT_DONE = 0, 1, 2
_OWN = "shipper"


def main(arguments: list[str]) -> int:
    """Run the audit; print what was found, or why nothing is known."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--format", "json", "--output", str(report)]
        command += ["--progress-spinner", "off", *([] if arguments else ["--local"]), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = _read(report)
    if found is None:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()] or ["it gave no reason"]
        print(f"AUDIT NOT DONE: the database could not be asked: {lines[-1].strip()}")
        return NOT_DONE
    return _judge(found)


def _read(report: Path) -> list[dict[str, Any]] | None:
    try:
        found: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))["dependencies"]
    except (OSError, ValueError, KeyError):
        return None
    return found


def _judge(found: list[dict[str, Any]]) -> int:
    asked = [one for one in found if "skip_reason" not in one]
    skipped = [one for one in found if "skip_reason" in one and one["name"] != _OWN]
    vulnerable = [one for one in asked if one.get("vulns")]
    for one in vulnerable:
        for known in one["vulns"]:
            fixed = ", ".join(known.get("fix_versions", ())) or "no version yet"
            print(f"{one['name']} {one['version']}: {known['id']}, mended in {fixed}")
    for one in skipped:
        print(f"{one['name']} was not looked up: {one['skip_reason']}")
    if vulnerable:
        print(f"AUDIT FAILED: {len(vulnerable)} of {len(asked)} packages are known to be vulnerable.")
        return VULNERABLE
    if skipped or not asked:
        print(f"AUDIT NOT DONE: {len(asked)} packages were looked up, {len(skipped)} were not.")
        return NOT_DONE
    print(f"AUDIT PASSED: of {len(asked)} packages none is known to be vulnerable.")
    return PASSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
