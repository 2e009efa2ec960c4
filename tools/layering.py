#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Do the include roots that CMake gives each module hold what docs/developer/architecture.md draws?

Usage: layering.py BUILD_DIRECTORY

Takes the compiler command of one source file of each module from compile_commands.json and tries every
header of every other module with it: what the table allows must compile, everything else must not. The
same commands compile each header of the module alone. Exit 0 when all is so, 1 when not.
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

# Arrows of the architecture page; what a module may use, that one's uses come with it.
MAY_USE = {
    "base": [],
    "model": ["base"],
    "policy": ["base", "model"],
    "wire": ["base"],
    "workload": ["base", "model"],
    "datapath": ["base", "policy", "wire", "bpf"],
    "schema": ["base", "model"],
    "store": ["base"],
    "link": ["base"],
    "enforcer": ["base", "model", "policy", "wire", "workload", "datapath", "link"],
    "console": ["base", "model", "policy", "schema", "store", "link"],
    "cli": ["base", "model", "policy", "schema"],
}
# The only header of the kernel side that others may see.
SHARED_WITH_KERNEL = "bpf/abi.h"


def closure(module):
    seen, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += MAY_USE.get(name, [])
    return seen


def compiler_commands(build):
    """Module → arguments that compile standard input in its place."""
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        parts = pathlib.Path(entry["file"]).relative_to(pathlib.Path.cwd()).parts
        if len(parts) < 3 or parts[0] != "src" or parts[-1] == "main.c" or parts[1] in commands:
            continue
        words = shlex.split(entry["command"])
        keep = [word for i, word in enumerate(words[:-1]) if word not in ("-c", "-o") and words[i - 1] != "-o"]
        commands[parts[1]] = keep + ["-fsyntax-only", "-w", "-x", "c", "-"]
    return commands


def compiles(command, source):
    return subprocess.run(command, input=source.encode(), capture_output=True).returncode == 0


def attempts(commands, headers):
    """(what, command, source, must it compile)"""
    for module, command in sorted(commands.items()):
        allowed = closure(module)
        for header in headers:
            owner = header.split("/")[0]
            if owner == module:
                yield f"{header} compiles alone", command, f'#include "{header}"\n', True
            elif owner == "bpf" and header != SHARED_WITH_KERNEL:
                yield f"{module} must not see {header}", command, f'#include "{header}"\n', False
            elif owner in commands or owner == "bpf":
                may = owner in allowed
                what = f"{module} {'may' if may else 'must not'} include {header}"
                yield what, command, f'#include "{header}"\n', may


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(arguments[0])
    commands = compiler_commands(build)
    unknown = commands.keys() - MAY_USE.keys()
    if unknown or not commands:
        print(f"layering: modules that the table does not know: {sorted(unknown)}")
        return 1
    headers = sorted(str(path.relative_to("src")) for path in pathlib.Path("src").rglob("*.h"))
    tried = list(attempts(commands, headers))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda attempt: compiles(attempt[1], attempt[2]) == attempt[3], tried))
    for attempt, good in zip(tried, results):
        if not good:
            print(f"layering: does not hold: {attempt[0]}")
            if attempt[3]:
                print(subprocess.run(attempt[1], input=attempt[2].encode(), capture_output=True).stderr.decode())
    print(f"layering: {len(tried)} includes tried, {results.count(False)} wrong")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
