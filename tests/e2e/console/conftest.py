# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest

from auth_client import Console
from installation import Installation, Postgres

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request):
    """What a Console of the module stores in: each in turn."""
    return request.getfixturevalue("postgres").database() if request.param == "postgresql" else None


@pytest.fixture(scope="module")
def installation(database, tmp_path_factory):
    """A running Console, once on each database."""
    installation = Installation(tmp_path_factory.mktemp("console"), database)
    yield installation
    assert installation.stop() == 0


@pytest.fixture(scope="module")
def console(database, tmp_path_factory):
    """The same with clients that know more: see auth_client.py."""
    console = Console(tmp_path_factory.mktemp("console"), database)
    yield console
    assert console.stop() == 0


@pytest.fixture
def pair(postgres, tmp_path_factory):
    """Two Consoles of one authority on one database."""
    database = postgres.database()
    first = Installation(tmp_path_factory.mktemp("one"), database)
    second = first.second(tmp_path_factory.mktemp("two"))
    yield first, second
    assert second.stop() == 0 and first.stop() == 0


@pytest.fixture(scope="module")
def client(installation):
    return installation.administrator()


@pytest.fixture
def namespace(client):
    """A fresh namespace."""
    answer = client.post("/namespaces", {"name": f"n{next(numbers)}"}, namespace="/")
    assert answer.status == 200, answer
    return answer.body["name"]
