"""What viewers are told of spend: by the names of those whom the same four weeks tell."""

from datetime import date, timedelta

import sqlalchemy as sa

from attribution import viewer_shares
from attribution.small_cells import OTHER

BLOCK = date(2025, 1, 20)  # one begins here
LATER = BLOCK + timedelta(weeks=4)
# Eye is told in the later block only, unassigned in neither; to the new line nobody ever came.
STORE = f"""
attach ':memory:' as viewers;
create table weeks as select unnest([date '{BLOCK}', date '{LATER}']) as week;
create table conversions as
    select unnest(['heart', 'eye', 'unassigned']) as service_line, 'north' as location, week
    from weeks;
create table viewers.conversions as
    select * from conversions
    where service_line = 'heart' or (service_line = 'eye' and week = '{LATER}');
create table spend as
    select
        'search' as channel, 'brand' as campaign, lines.*, 'north' as location,
        week + interval 7 day as week, 'USD' as currency, 1 as impressions, 1 as clicks
    from weeks
    cross join (values ('heart', 4), ('eye', 2), ('unassigned', 1), ('new', 8))
        as lines(service_line, spend_micros);
"""


def test_spend_is_told_where_the_patients_of_its_line_are():
    engine = sa.create_engine("duckdb:///:memory:", poolclass=sa.pool.StaticPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in STORE.strip().strip(";").split(";"):
            connection.exec_driver_sql(statement)
        viewer_shares.spend(connection)
        rows = connection.exec_driver_sql(
            f"select week < date '{LATER}', service_line, spend_micros"
            " from viewers.spend order by all desc"
        ).all()
    assert rows == [
        *((True, "unassigned", 1), (True, "new", 8), (True, "heart", 4), (True, OTHER, 2)),
        *((False, "unassigned", 1), (False, "new", 8), (False, "heart", 4), (False, "eye", 2)),
    ]
