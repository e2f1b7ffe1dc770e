"""Saved views beside the pages: what they keep, and that it is the right one that is deleted."""

import ast
from pathlib import Path

import marts_fixture as made_up
import pytest
from shell_fixture import opened

from attribution import saved_views, settings
from attribution.paths import Home
from attribution.roles import Reader
from attribution.ui import access, draw_saved, own_choices
from attribution.ui.filters import KEYS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def open_page(home: Home, monkeypatch: pytest.MonkeyPatch):
    """Open one page as a reader would: `open_page("channels", model="last")`."""
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    return opened


def test_a_view_is_saved_opened_and_deleted_beside_every_page(open_page):
    at = open_page("channels", period="26w", model="last", basis="touch")
    assert any("by the day of the touch" in each.value for each in at.caption)
    at.text_input(key="view_name").input("Weekly ![x](y)")
    at.button(key="FormSubmitter:view_form-Save").click().run()
    assert not at.exception
    (view,) = saved_views.views(settings.home(), access.VISITOR)
    assert (view.page, view.name) == ("channels", "Weekly ![x](y)")
    assert view.query == {
        "period": ["26w"], "model": ["last"], "kind": ["booked"], "basis": ["touch"]
    }  # fmt: skip
    # Somebody else shares one of that name: an administrator may delete either, and means one.
    ben = Reader("ben", frozenset({"analyst"}))
    saved_views.save(settings.home(), ben, view.name, "overview", {}, shared=True)
    at.run()
    at.selectbox(key="view_gone").select(view.number).run()
    at.button(key="view_delete").click().run()
    (left,) = saved_views.views(settings.home(), access.VISITOR)
    assert left.owner == "ben"
    saved_views.delete(settings.home(), ben, left.number)


def test_a_view_named_as_another_is_called_is_not_deleted_in_its_place(open_page, home):
    """Nor the other way round: "A (of ben)" is the name of one, and A of ben is another."""
    ben = Reader("ben", frozenset({"analyst"}))
    for name in ("A", "A (of ben)"):
        saved_views.save(home, access.VISITOR, name, "overview", {}, shared=False)
    saved_views.save(home, ben, "A", "channels", {}, shared=True)
    at = open_page("overview")
    chosen = at.selectbox(key="view_gone")
    me = access.VISITOR.name
    assert chosen.options == [f"A (of {me})", "A (of ben)", f"A (of ben) (of {me})"]
    (his,) = (each for each in saved_views.views(home, access.VISITOR) if each.owner == "ben")
    chosen.select(his.number).run()
    at.button(key="view_delete").click().run()
    left = saved_views.views(home, access.VISITOR)
    assert [(each.name, each.owner) for each in left] == [("A", me), ("A (of ben)", me)]
    for each in left:
        saved_views.delete(home, access.VISITOR, each.number)


def test_no_two_views_are_called_alike_whatever_their_names():
    named = [
        *(("A", "eve"), ("A", "ben"), ("A (of ben)", "ben"), ("A (of ben)", "eve")),
        *(("A", "b) (of c"), ("A (of b)", "c"), ("A (of b)", "d"), ("A (of b) (of c) (5)", "c")),
    ]
    own = {
        at: saved_views.SavedView(at, name, owner, shared=True, page="overview", filters=())
        for at, (name, owner) in enumerate(named)
    }
    called = draw_saved._told_apart(own)
    assert len(set(called.values())) == len(own)
    assert all(called[at].startswith(view.name) for at, view in own.items())


def test_a_view_keeps_what_is_chosen_on_the_page_itself(open_page, home):
    chosen = {"lapse": ["Lapsed"], "age": ["60–74"], "place": ["Harbor"]}
    at = open_page("cohorts", **chosen, patient="12345")
    at.text_input(key="view_name").input("Lapsed 60+")
    at.button(key="FormSubmitter:view_form-Save").click().run()
    assert not at.exception
    (view,) = saved_views.views(home, access.VISITOR)
    saved_views.delete(home, access.VISITOR, view.number)
    assert view.query == chosen
    at = open_page(view.page, **view.query)
    assert at.multiselect(key="lapse").value == ["lapsed"]
    assert at.multiselect(key="age").value == ["60-74"]


def test_every_choice_in_the_address_is_kept_in_views():
    kept = {key for keys in own_choices.KEYS.values() for key in keys}
    bound = set()
    for path in Path(own_choices.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            words = {each.arg: each.value for each in getattr(node, "keywords", ())}
            if isinstance(node, ast.Call) and "bind" in words:
                bound.add(getattr(words["key"], "value", None))
    assert bound - {None} <= kept
    assert {"against", "plan_move", "lift_test"} < bound
    assert not {*KEYS} & kept  # those of the filters at the side are written by themselves
