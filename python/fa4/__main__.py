# SPDX-License-Identifier: Apache-2.0
"""`python -m fa4` and the script `fa4`: the command of the C++ library, which the wheel carries."""

import os
import pathlib
import sys


def main() -> None:
    """Becomes the command; does not return."""
    command = pathlib.Path(__file__).parent / "bin" / "fa4"
    os.execv(command, [str(command), *sys.argv[1:]])


if __name__ == "__main__":
    main()
