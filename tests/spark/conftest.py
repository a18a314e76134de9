"""One cluster and one session for all tests of Spark: a session takes half a minute to start."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from spark_cluster import ZONE, Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers, which believe to be in another zone, as the driver does."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = ZONE
    time.tzset()
    cluster = Cluster(tmp_path_factory.mktemp("cluster") / "daemons", workers=2)
    try:
        yield cluster
    finally:
        cluster.stop()
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@pytest.fixture(scope="session")
def session(cluster: Cluster) -> Iterator[Any]:
    """A session of the cluster, as `scan` opens it."""
    from stillwatch.lake.spark.session import spark_session

    with spark_session(cluster.url) as session:
        yield session
