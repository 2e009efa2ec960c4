# SPDX-License-Identifier: Apache-2.0
"""The page says what the file says: also what was missed and what was not run."""
import json
import pathlib
import subprocess

SCRIPT = pathlib.Path(__file__).parents[1] / "figures"
DOCUMENT = {
    "formatVersion": 1,
    "started": "2026-01-02T03:04:05Z",
    "seconds": 600,
    "quick": False,
    "cpu": 1,
    "machine": {"kernel": "6.1.0", "cpu": "a CPU", "cores": 2, "memoryGiB": 4.0, "virtualization": "kvm",
                "spectreV2": "Mitigation", "bpfJit": "1", "load": 0.1},
    "rows": [
        {"name": "TCP_RR", "target": ">= 0.97", "value": 0.981, "unit": "", "ok": True, "result": "ok", "spread": "0.97–0.99", "note": "", "data": {}},
        {"name": "per packet", "target": "<= 60 ns", "value": 71.5, "unit": "ns", "ok": False, "result": "MISSED", "spread": "", "note": "why | it is so", "data": {}},
        {"name": "flows", "target": "", "value": None, "unit": "", "ok": None, "result": "not run", "spread": "", "note": "", "data": {}},
    ],
}


def run(tmp_path, content, *arguments):
    source = tmp_path / "bench.json"
    source.write_text(content)
    return subprocess.run([SCRIPT, source, *arguments], capture_output=True, text=True)


def test_page(tmp_path):
    result = run(tmp_path, json.dumps(DOCUMENT), "-")
    assert result.returncode == 0
    assert "| TCP_RR | >= 0.97 | 0.981 | ok | 0.97–0.99 |" in result.stdout
    assert "| per packet (1) | <= 60 ns | 71.5 ns | MISSED |  |" in result.stdout
    assert "| flows |  | – | not run |  |" in result.stdout
    assert "1. why | it is so" in result.stdout
    assert "quick" not in result.stdout


def test_quick_run_says_so(tmp_path):
    assert "rough" in run(tmp_path, json.dumps({**DOCUMENT, "quick": True}), "-").stdout


def test_wrong_file(tmp_path):
    page = tmp_path / "page.md"
    for content in ("", "{}", "[]", "{\"formatVersion\": 2}", json.dumps({**DOCUMENT, "rows": [{}]})):
        result = run(tmp_path, content, page)
        assert result.returncode == 1, content
        assert "figures: " in result.stderr
    assert not page.exists()
    assert subprocess.run([SCRIPT, tmp_path / "none.json", page], capture_output=True).returncode == 1
