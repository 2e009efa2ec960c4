#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that can be read off the text of the C sources.

Usage: house-rules.py [--allow FILE] FILE…

Prints file:line: rule: what, one line a finding. Exit 0 when there is none that the allow-list does not
name with a reason, 1 otherwise, 2 on wrong usage. An entry of the allow-list that allows nothing is a
finding, too, so that the list shrinks.

Relies on the layout that clang-format enforces: a function's opening and closing braces are alone in
column 0, a level of nesting is four spaces.
"""
import re
import sys
from dataclasses import dataclass

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600
NESTING_MAX = 3
LINE_COLUMNS_MAX = 100

BANNED = (
    "strcpy strcat sprintf vsprintf strtok gets atoi atol atoll gmtime localtime ctime asctime rand "
    "srand strncpy strncat alloca mktemp tmpnam"
).split()
BANNED_IN_PRODUCT = ["system", "popen"]  # tests may clean up with them
BANNED_CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
BANNED_PRODUCT_CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED + BANNED_IN_PRODUCT))
CONTROL = re.compile(r"^( *)(?:\} else )?(?:if|for|while|switch|do)\b")
LABEL = re.compile(r"^(\w+):\s*(?:/\*.*)?$")
GOTO = re.compile(r"\bgoto (\w+);")


@dataclass
class Finding:
    path: str
    line: int
    rule: str
    text: str
    name: str = ""  # function, where there is one: what the allow-list names

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


def without_comments_and_strings(text):
    """The same text with comments and literals blanked; lines and columns stay."""

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def functions(lines):
    """(name, first line of the signature, opening line, closing line), 0-based."""
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            first = start
            while first > 0 and lines[first - 1].strip() and lines[first - 1][0] not in "#}":
                first -= 1
            signature = " ".join(lines[first:start])
            # SEC("…") and attributes come before the name; macros that define functions take it as an argument.
            match = re.search(r"BPF_PROG\w*\((\w+)", signature) or re.search(r"(\w+)\s*\([^()]*(?:\([^()]*\)[^()]*)*\)\s*$", signature)
            yield (match.group(1) if match else "?"), first, start, i
            start = None


def check_function(path, name, start, end, code):
    length = end - start - 1
    if length > FUNCTION_LINES_MAX:
        yield Finding(path, start + 1, "function-length", f"{name} has {length} lines, at most {FUNCTION_LINES_MAX}", name)
    labels = {}
    for i in range(start + 1, end):
        line = code[i]
        control = CONTROL.match(line)
        if control and len(control.group(1)) // 4 > NESTING_MAX:
            yield Finding(path, i + 1, "nesting", f"{name}: more than {NESTING_MAX} levels", name)
        label = LABEL.match(line.strip()) if not line.strip().startswith("default") else None
        if label:
            labels[label.group(1)] = i
        jump = GOTO.search(line)
        if jump and jump.group(1) in labels:
            yield Finding(path, i + 1, "goto-backwards", f"{name}: goto {jump.group(1)}", name)


def check_file(path, text):
    lines = text.splitlines()
    code = without_comments_and_strings(text).splitlines()
    if len(lines) > FILE_LINES_MAX:
        yield Finding(path, 1, "file-length", f"{len(lines)} lines, at most {FILE_LINES_MAX}")
    if path.endswith(".h") and "#pragma once" not in lines:
        yield Finding(path, 1, "pragma-once", "a header without #pragma once")
    for i, line in enumerate(code):
        if len(lines[i]) > LINE_COLUMNS_MAX:
            yield Finding(path, i + 1, "columns", f"{len(lines[i])} columns, at most {LINE_COLUMNS_MAX}")
        banned = (BANNED_PRODUCT_CALL if path.startswith("src/") else BANNED_CALL).search(line)
        if banned and not line.lstrip().startswith("#"):
            yield Finding(path, i + 1, "banned", f"{banned.group(1)}() is not to be called")
        if re.match(r"\s*typedef (struct|union)\b", line):
            yield Finding(path, i + 1, "typedef", "no typedef of structures")
        if re.match(r'\s*#\s*include "(\.\./|src/)', lines[i]):
            yield Finding(path, i + 1, "include", "includes name the module: \"model/model.h\"")
    for name, _, start, end in functions(code):
        yield from check_function(path, name, start, end, code)


def read_allow(path):
    """Lines: RULE FILE[:FUNCTION] reason. Returns {(rule, file, function): line number}."""
    entries = {}
    problems = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            words = line.split(None, 2)
            if len(words) < 3:
                problems.append(Finding(path, number, "allow-list", "expected: RULE FILE[:FUNCTION] reason"))
                continue
            file, _, function = words[1].partition(":")
            entries[(words[0], file, function)] = number
    return entries, problems


def main(arguments):
    allow_path = None
    if arguments[:1] == ["--allow"]:
        if len(arguments) < 2:
            print(__doc__, file=sys.stderr)
            return 2
        allow_path, arguments = arguments[1], arguments[2:]
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    allowed, findings = read_allow(allow_path) if allow_path else ({}, [])
    used = set()
    for path in arguments:
        with open(path, encoding="utf-8") as f:
            for finding in check_file(path, f.read()):
                keys = {(finding.rule, path, finding.name), (finding.rule, path, "")} & allowed.keys()
                used |= keys
                if not keys:
                    findings.append(finding)
    for key in allowed.keys() - used:
        if key[1] in arguments:
            findings.append(Finding(allow_path, allowed[key], "allow-list", f"{key[1]}: nothing to allow any more"))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
