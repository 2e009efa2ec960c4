# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest

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
def client(installation):
    return installation.administrator()


@pytest.fixture
def namespace(client):
    """A fresh namespace."""
    answer = client.post("/namespaces", {"name": f"n{next(numbers)}"}, namespace="/")
    assert answer.status == 200, answer
    return answer.body["name"]
