# SPDX-License-Identifier: Apache-2.0
"""Each house rule finds what it is for, and nothing in code that keeps it."""
import importlib.util
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[1] / "house-rules.py"
spec = importlib.util.spec_from_file_location("house_rules", SCRIPT)
house_rules = importlib.util.module_from_spec(spec)
sys.modules["house_rules"] = house_rules
spec.loader.exec_module(house_rules)


def rules(text, path="src/x/x.c"):
    return [finding.rule for finding in house_rules.check_file(path, text)]


def function(*body, signature="int f(int a)"):
    return "\n".join([signature, "{", *body, "}", ""])


GOOD = function(
    "    if (a) {",
    "        for (;;) {",
    "            if (a)",
    "                goto out;",
    "        }",
    "    }",
    "    my_strcpy(a); /* not strcpy(a) */",
    "    x.strcpy(a);",
    '    puts("strcpy(a)");',
    "out:",
    "    return 0;",
)


def test_good_code_has_no_finding():
    assert rules(GOOD) == []


@pytest.mark.parametrize(
    "rule, text",
    [
        ("function-length", function(*["    a++;"] * 61)),
        ("file-length", "int a;\n" * 601),
        ("columns", "int " + "a" * 100 + ";\n"),
        ("banned", function("    strcpy(a, b);")),
        ("banned", function("    return (char *)strtok (a, b);")),
        ("typedef", "typedef struct x {\n    int a;\n} x;\n"),
        ("include", '#include "../model/model.h"\n'),
        ("include", '#include "src/model/model.h"\n'),
        ("goto-backwards", function("again:", "    a++;", "    goto again;")),
        (
            "nesting",
            function("    if (a)", "        while (a)", "            do {", "                if (a)", "                    a--;", "            } while (a);"),
        ),
    ],
)
def test_each_rule_finds(rule, text):
    assert rules(text) == [rule]


def test_tests_may_call_a_shell():
    text = function('    system("rm -rf x");')
    assert rules(text, "src/x/x.c") == ["banned"]
    assert rules(text, "tests/unit/x/test_x.c") == []


def test_limits_are_not_off_by_one():
    assert rules(function(*["    a++;"] * 60)) == []
    assert rules("int a;\n" * 600) == []
    assert rules("int " + "a" * 95 + ";\n") == []


def test_header_needs_pragma_once():
    assert rules("int a;\n", "src/x/x.h") == ["pragma-once"]
    assert rules("#pragma once\n", "src/x/x.h") == []


def test_function_names():
    text = function("    a++;", signature='SEC("tc")\nint ingress(struct __sk_buff *skb)')
    text += function("    a++;", signature="static int two(int a,\n               int (*fn)(int b))")
    text += function("    a++;", signature='SEC("iter/tcp")\nint BPF_PROG(dump, struct x *x)')
    names = [name for name, *_ in house_rules.functions(text.splitlines())]
    assert names == ["ingress", "two", "dump"]


def run(tmp_path, text, allow):
    source = tmp_path / "x.c"
    source.write_text(text)
    allow_file = tmp_path / "allow"
    allow_file.write_text(allow.replace("FILE", str(source)))
    return subprocess.run([SCRIPT, "--allow", allow_file, source], capture_output=True, text=True)


LONG = function(*["    a++;"] * 61)


def test_allow_list(tmp_path):
    assert run(tmp_path, LONG, "").returncode == 1
    assert run(tmp_path, LONG, "function-length FILE:f a table of cases\n").returncode == 0
    assert run(tmp_path, LONG, "function-length FILE:g another one\n").returncode == 1


def test_allow_list_needs_a_reason(tmp_path):
    result = run(tmp_path, LONG, "function-length FILE:f\n")
    assert result.returncode == 1
    assert "reason" in result.stdout


def test_allow_list_does_not_outlive_its_cause(tmp_path):
    result = run(tmp_path, GOOD, "function-length FILE:f a table of cases\n")
    assert result.returncode == 1
    assert "nothing to allow" in result.stdout


def test_usage():
    assert subprocess.run([SCRIPT], capture_output=True).returncode == 2
