"""Every model and check on a Spark of two workers, from what every source told."""

import duckdb
from engines_fixture import difference
from spark_cluster import connected, copy
from test_every_source import loaded  # noqa: F401  the fixture that loads every source once

from attribution import forecasting, transform, warehouse
from attribution.raw import fetch


def test_spark_makes_the_same_tables(loaded, cluster):  # noqa: F811
    """Equal to 1e-9, `credit` and all else; every check passes."""
    models = transform.load_models()
    names = {model.name for model in models}
    folder = loaded.home.generation(warehouse.current_generation(loaded.home))
    with (
        duckdb.connect(str(folder / "private.duckdb"), read_only=True) as store,
        connected(cluster) as connection,
    ):
        store.execute("set timezone = 'UTC'")
        held = store.execute("select table_name from duckdb_tables()").fetchall()
        copy(store, connection, [name for (name,) in held if name not in names])
        # What Prophet fits is no matter of the engine, and takes longer than all the rest.
        kept = store.execute(f"from {forecasting.TABLE}").to_arrow_table().to_pandas()
        models = transform.solved_by(models, forecasting.TABLE, lambda *_frames: kept)
        transform.build(connection, models)
        transform.run_checks(connection)
        said = {
            model.name: difference(
                store.execute(f"from {model.name}").to_arrow_table().to_pandas(),
                fetch(connection, f"select * from {model.name}").to_pandas(),
                model.grain,
            )
            for model in models
        }
    assert {name: words for name, words in said.items() if words} == {}
