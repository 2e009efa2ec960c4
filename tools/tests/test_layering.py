# SPDX-License-Identifier: Apache-2.0
"""The layering check asks the right questions, and takes a compiler's answer for what it is."""
import importlib.util
import pathlib

SCRIPT = pathlib.Path(__file__).parents[1] / "layering.py"
spec = importlib.util.spec_from_file_location("layering", SCRIPT)
layering = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layering)

HEADERS = ["base/buf.h", "model/model.h", "datapath/datapath.h", "bpf/abi.h", "bpf/tcp.h"]
COMMANDS = {name: ["cc"] for name in ("base", "model", "policy", "datapath")}


def wanted():
    return {what: must for what, _, _, must in layering.attempts(COMMANDS, HEADERS)}


def test_questions():
    questions = wanted()
    assert questions["model/model.h compiles alone"] is True
    assert questions["policy may include model/model.h"] is True
    assert questions["datapath may include model/model.h"] is True  # through policy
    assert questions["model must not include datapath/datapath.h"] is False
    assert questions["base must not include model/model.h"] is False
    assert questions["datapath may include bpf/abi.h"] is True
    assert questions["policy must not include bpf/abi.h"] is False
    assert questions["datapath must not see bpf/tcp.h"] is False


def test_answers(tmp_path):
    (tmp_path / "there.h").write_text("int a;\n")
    command = ["gcc", f"-I{tmp_path}", "-fsyntax-only", "-x", "c", "-"]
    assert layering.compiles(command, '#include "there.h"\n')
    assert not layering.compiles(command, '#include "elsewhere.h"\n')
