# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from estate import Estate, System  # noqa: E402


@pytest.fixture(scope="session")
def system():
    run = System()
    try:
        yield run
    finally:
        run.close()


@pytest.fixture(scope="session")
def _started(system):
    estate = Estate(system)
    try:
        estate.start()
        estate.await_peers()
        yield estate
    finally:
        estate.close()


@pytest.fixture
def estate(_started):
    """Both Enforcers running, middleboxes doing nothing, no process left by an earlier test."""
    _started.ensure()
    yield _started
    _started.end_tools()
    for box in (_started.to_a, _started.to_b):
        box.reset()


@pytest.fixture
def a(estate):
    return estate.hosts["a"]


@pytest.fixture
def b(estate):
    return estate.hosts["b"]


@pytest.fixture
def port(estate):
    return estate.port()


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def ip(request):
    return request.param
