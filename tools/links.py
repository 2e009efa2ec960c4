#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every relative link of the given Markdown files leads to a file that exists.

Usage: links.py FILE.md…   Exit 0 when all do, 1 when not.
"""
import pathlib
import re
import sys

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def broken_links(path):
    in_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            in_code = not in_code
        if in_code:
            continue
        for target in LINK.findall(line):
            file = target.split("#")[0]
            if file and not re.match(r"[a-z]+:", target) and not (path.parent / file).exists():
                yield f"{path}:{number}: no such file: {target}"


if __name__ == "__main__":
    found = [problem for name in sys.argv[1:] for problem in broken_links(pathlib.Path(name))]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
