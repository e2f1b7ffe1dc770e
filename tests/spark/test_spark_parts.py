"""What is landed on a cluster stays there: parts go one by one, and none takes another with it."""

import sqlalchemy as sa
from spark_cluster import Cluster
from sqlalchemy.pool import StaticPool

from attribution.engines import spark_landing
from attribution.engines.spark_server import engine_for
from attribution.warehouse_url import read

WANTED = ("raw_ad_spend",)


def test_later_goes_and_a_changed_month_leave_the_other_parts(cluster: Cluster, monkeypatch):
    """Two goes at first; then one month is told anew, and one is new."""
    monkeypatch.setattr(spark_landing, "_ROWS", 2)
    store = sa.create_engine("duckdb:///:memory:", poolclass=StaticPool)
    engine = engine_for(read(cluster.url))
    with store.connect() as here, engine.connect() as there:

        def landed() -> list[tuple[str, int]]:
            spark_landing.land(here, there, "parts", "parts_1", WANTED)
            asked = "select cast(day as string), clicks from parts_1.raw_ad_spend order by 1"
            return [tuple(row) for row in there.exec_driver_sql(asked).all()]

        there.exec_driver_sql("create database parts_1")
        here.exec_driver_sql(
            "create table raw_ad_spend as select 'ads' as source, '1' as account, "
            "cast(day as date) as day, clicks from (values ('2026-01-05', 1), ('2026-02-05', 2), "
            "('2026-03-05', 3), ('2026-04-05', 4)) as t (day, clicks)"
        )
        first = [("2026-01-05", 1), ("2026-02-05", 2), ("2026-03-05", 3), ("2026-04-05", 4)]
        assert landed() == first
        here.exec_driver_sql("update raw_ad_spend set clicks = 7 where clicks = 3")
        here.exec_driver_sql("insert into raw_ad_spend values ('ads', '1', '2026-05-05', 5)")
        assert landed() == [*first[:2], ("2026-03-05", 7), first[3], ("2026-05-05", 5)]
        for name in ("parts_1", "parts_landed"):
            there.exec_driver_sql(f"drop database {name} cascade")
    engine.dispose()
    store.dispose()
