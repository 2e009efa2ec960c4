# SPDX-License-Identifier: Apache-2.0
import itertools
import os
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from estate import Estate, System  # noqa: E402


def pytest_collection_modifyitems(items):
    """BULKHEAD_TEST_ORDER=NUMBER: the tests of each module in another order, the same for the same number."""
    seed = os.environ.get("BULKHEAD_TEST_ORDER")
    if not seed:
        return
    dice, shuffled = random.Random(int(seed)), []

    def group(item):
        """Module, and the database that its Console is on."""
        return item.module.__name__, item.callspec.params.get("database") if hasattr(item, "callspec") else None

    for _, some in itertools.groupby(items, key=group):
        some = list(some)
        dice.shuffle(some)
        shuffled += some
    items[:] = shuffled


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
