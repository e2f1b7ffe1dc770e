"""The least that is asked of Spark at every change: the credit of the demo, and its checks.

The other files of this folder compare every model, and take longer than all that is tested beside.
"""

import duckdb
from engines_fixture import difference
from few_models import few_models
from two_homes import newest

from attribution import settings, sql_models, warehouse
from attribution.demo import prepare
from attribution.generations import MARTS
from attribution.paths import Home
from attribution.refresh import refresh


def test_the_demo_s_credit_is_the_same(request, tmp_path, monkeypatch):
    """Loaded once, made on DuckDB and on the cluster: equal to 1e-9, and the checks passed."""
    home = Home(tmp_path / "demo")
    prepare(home, people=300, seed=7, say=lambda _sentence: None)
    marts = []
    with few_models(["credit"]):
        refresh(settings.load(home), debug=True)
        moved = newest(home, tmp_path / "moved")
        cluster = request.getfixturevalue("cluster")  # which was starting all the while
        monkeypatch.setenv("CARETRACE_WAREHOUSE", cluster.url)
        monkeypatch.setenv("CARETRACE_SPARK_DATABASE", "demo")  # another's is another home's
        assert refresh(settings.load(moved), load=False, debug=True).failed == {}
    for each in (home, moved):
        number = warehouse.current_generation(each)
        with duckdb.connect(str(each.generation(number) / MARTS), read_only=True) as store:
            marts.append(store.execute("from credit").to_arrow_table().to_pandas())
    assert len(marts[0]) > 100
    grain = next(model.grain for model in sql_models.load_models() if model.name == "credit")
    assert difference(*marts, grain) == ""
