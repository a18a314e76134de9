"""One cluster and one session for all tests of Spark: a session takes half a minute to start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from spark_cluster import CORES, ZONE, Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and three workers, which believe to be in another zone, as the driver does.

    An application takes two of them, so that one is left for another, or for when one dies.
    """
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "spark-defaults.conf").write_text(f"spark.cores.max {CORES}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", ZONE)
        patch.setenv("SPARK_CONF_DIR", str(folder))
        time.tzset()
        cluster = Cluster(folder / "daemons", workers=CORES + 1)
        try:
            yield cluster
        finally:
            cluster.stop()
    time.tzset()


@pytest.fixture(scope="session")
def session(cluster: Cluster) -> Iterator[Any]:
    """A session of the cluster, as `scan` opens it."""
    from stillwatch.lake.spark.session import spark_session

    with spark_session(cluster.url) as session:
        yield session
