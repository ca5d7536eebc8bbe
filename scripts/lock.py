"""Print the lock: name==version of everything that development takes, and the extras that it does without.

Resolves for Python 3.11 and installs nothing: the oldest Python of the range, because the newest release of a
package may have dropped it, while what runs on it has wheels for the newer ones as well.
"""

import json
import subprocess
import sys

RESOLVE = [
    *(sys.executable, "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed"),
    *("--python-version", "3.11", "--only-binary=:all:", "--report", "-", ".[dev,litert,openvino]"),
]


def main() -> int:
    resolved = subprocess.run(RESOLVE, stdout=subprocess.PIPE, text=True)
    if resolved.returncode:
        print("lock: pip could not resolve the extras; its message is above", file=sys.stderr)
        return 1
    installs = [item["metadata"] for item in json.loads(resolved.stdout)["install"]]
    for package in sorted(installs, key=lambda package: package["name"].lower()):
        if package["name"] != "colorzoo":
            print(f"{package['name']}=={package['version']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
