from pathlib import Path

import pytest
from rich.console import Console

from faces.labels import CONTEST
from infer.ensemble.catalogue import EnsemblesSettings, list_ensembles
from infer.ensemble.file import ensemble_table, read_ensemble, write_ensemble
from infer.ensemble.space import space_of
from infer.ensemble.tree import Compose, Ensemble, Leaf, Override, Vote, recipes_of
from train.recipe.file import read_recipe
from train.recipe.recipe import ALL

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "ensembles").glob("*.toml"))


OWN_LINES = (
    "answers hat*shoes; views original + flip",
    "override: becomes cap where hat gives that more than 0.5, where shoes is red",
    "base: compose, fold by fold, of",
    "shoes: b  not trained",
)


def written(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_members_of_every_ensemble_are_recipes_that_tell_what_they_are_asked(path: Path) -> None:
    ensemble = read_ensemble(path)
    told = {name: read_recipe(ROOT / "recipes" / f"{name}.toml").tasks for name in recipes_of(ensemble.root)}
    tasks = {name: CONTEST.names if mine == (ALL,) else mine for name, mine in told.items()}
    assert space_of(ensemble, tasks, CONTEST) == "class18"
    assert {*ensemble_table(ensemble)} <= {
        "about",
        "views",
        "views_rule",
        "vote",
        "rule",
        "weights",
        "compose",
        "override",
    }


def test_the_systems_of_the_teams_are_there_in_both_sizes() -> None:
    names = {path.stem for path in FILES}
    systems = ("team_a", "team_b_nine", "team_b_class18", "team_b_composed", "team_b_senior")
    for system in (*systems, "winner_attributes"):
        assert {system, f"{system}_small"} <= names
    nine = read_ensemble(ROOT / "ensembles" / "team_b_nine.toml")
    backbones = {read_recipe(ROOT / "recipes" / f"{name}.toml").backbone for name in recipes_of(nine.root)}
    assert len(backbones) == 9
    composed = read_ensemble(ROOT / "ensembles" / "team_b_composed.toml").root
    assert isinstance(composed, Vote) and (composed.rule, composed.weights) == ("hard", ())
    whole, *others = composed.members
    assert isinstance(whole, Compose) and len(others) == 7
    assert all(isinstance(part, Vote) and part.rule == "hard" for _, part in whole.parts)
    eighteen = [read_recipe(ROOT / "recipes" / f"{leaf.recipe}.toml") for leaf in others]  # type: ignore[union-attr]
    assert {recipe.tasks for recipe in eighteen} == {("class18",)}
    senior = read_ensemble(ROOT / "ensembles" / "team_b_senior.toml").root
    assert isinstance(senior, Override)
    assert (senior.above, senior.category, senior.otherwise) == (0.08, ">=60", "30-59")
    assert senior.base == read_ensemble(ROOT / "ensembles" / "team_b_composed.toml").root


def test_a_written_ensemble_reads_back_equal(tmp_path: Path) -> None:
    voters = Vote(members=(Leaf("a"), Vote(members=(Leaf("b"),), rule="rank")), rule="hard", weights=(2, 0.5))
    whole = Compose(parts=(("mask_gender", Leaf("c")), ("age3", Vote(members=(Leaf("d"),), temperature=1.5))))
    tree = Override(
        base=Vote(members=(voters, whole), rule="log"),
        by=Leaf("e"),
        task="senior",
        category=">=60",
        above=0.08,
        otherwise="30-59",
        where=(("age", ("30-59", ">=60")), ("mask", ("normal",))),
    )
    ensemble = Ensemble(name="x", about="all kinds", views=("original",), views_rule="log", root=tree)
    write_ensemble(ensemble, tmp_path / "x.toml")
    assert read_ensemble(tmp_path / "x.toml") == ensemble
    assert recipes_of(tree) == ("a", "b", "c", "d", "e")
    assert "task" not in ensemble_table(ensemble)


def test_a_file_may_name_the_task_that_it_answers(tmp_path: Path) -> None:
    ensemble = read_ensemble(written(tmp_path, 'task = "glasses*helmet"\nvote = ["a", "b"]'))
    assert ensemble.task == ensemble_table(ensemble)["task"] == "glasses*helmet"
    write_ensemble(ensemble, tmp_path / "x.toml")
    assert read_ensemble(tmp_path / "x.toml") == ensemble
    # The tree of another file is taken alone.
    (tmp_path / "y.toml").write_text('vote = [{ ensemble = "x" }]')
    assert read_ensemble(tmp_path / "y.toml").task == ""


def test_a_file_may_take_the_tree_of_another(tmp_path: Path) -> None:
    (tmp_path / "inner.toml").write_text('vote = ["a", "b"]\nrule = "hard"\nviews = ["flip"]')
    ensemble = read_ensemble(written(tmp_path, 'vote = [{ ensemble = "inner" }, "c"]'))
    assert isinstance(ensemble.root, Vote)
    assert ensemble.root.members == (Vote(members=(Leaf("a"), Leaf("b")), rule="hard"), Leaf("c"))
    assert ensemble.views == ("original", "flip")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a table with keys none: it needs just one of vote, compose, override"),
        ("vote = []", "name at least one member"),
        ('vote = "a"', 'vote: "a" is text, expected a list of values; put it in brackets'),
        ("vote = [3]", "3: a member is a recipe's name or a table"),
        ('vote = ["a", "a"]', "a named twice"),
        ('vote = ["a"]\nrule = "sofd"', 'rule: "sofd" is unknown, expected soft, log, hard or rank'),
        ('vote = ["a"]\nrules = "soft"', r"unknown setting 'rules': did you mean 'rule'\?"),
        ('vote = ["a", "b"]\nweights = [1]', "give one for each of the 2 members"),
        ('vote = ["a", "b"]\nweights = [1, 0]', "must be above 0"),
        ('vote = ["a"]\nweights = ["x"]', r'weights\[0\]: "x" is text, expected a number'),
        ('vote = ["a"]\ntemperature = 0', "temperature=0"),
        ('vote = ["a"]\nviews = ["mirror"]', "views: 'mirror': known are original, flip"),
        ('vote = ["a"]\nviews = []', "name at least one"),
        (
            'vote = ["a"]\nviews = "flip"',
            'views: "flip" is text, expected a list of texts; put it in brackets',
        ),
        ('vote = ["a"]\nabout = 3', "about: 3 is a whole number, expected text; put it in quotes"),
        ('vote = ["a"]\nrule = 3', "rule: 3 is a whole number, expected soft, log"),
        ('vote = ["a"]\nweights = [true]', r"weights\[0\]: true is a boolean, expected a number"),
        (
            'vote = ["b", { vote = ["a"], temperature = "2" }]',
            r'vote\[1\]: temperature: "2" is text, expected',
        ),
        ("compose = 3", "compose: 3 is a whole number, expected a table"),
        ("[compose]\nmask = { vote = [3] }", r"compose.mask: vote\[0\]: 3: a member is a recipe's name"),
        ("vote = [{ ensemble = 3 }]", r"vote\[0\]: ensemble: 3 is a whole number, expected text"),
        ('vote = ["a"]\n[compose]\nmask = "b"', "just one of"),
        ("[compose]", "compose of nothing: name a voice for each task"),
        ('task = 3\nvote = ["a"]', "task: 3 is a whole number, expected text"),
        ('vote = [{ vote = ["a"], task = "mask" }]', r"vote\[0\]: unknown setting 'task'"),
        ('[override]\nbase = "a"', "override lacks by, task, category, above"),
        ('vote = [{ ensemble = "x" }]', "goes round in a circle: x -> x"),
        ('vote = [{ ensemble = "none" }]', "none.toml: no such file"),
    ],
)
def test_mistakes_name_the_file_and_the_cure(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_ensemble(written(tmp_path, text))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("above = 1.5", r"override.above=1.5: a probability in \[0, 1\)"),
        ('above = "0.1"', 'override.above: "0.1" is text, expected a number; leave out the quotes'),
        ("task = 3", "override.task: 3 is a whole number, expected text"),
        ('where = { age = "30-59" }', 'override.where.age: "30-59" is text, expected a list of texts'),
        ("where = 3", "override.where: 3 is a whole number, expected a table"),
        ('wher = "x"', r"unknown setting 'override.wher': did you mean 'where'"),
    ],
)
def test_mistakes_in_an_override(tmp_path: Path, change: str, message: str) -> None:
    lines = {"base": '"a"', "by": '"b"', "task": '"senior"', "category": '">=60"', "above": "0.1"}
    key, _, value = change.partition(" = ")
    body = "\n".join(f"{k} = {v}" for k, v in (lines | {key: value}).items())
    with pytest.raises(ValueError, match=message):
        read_ensemble(written(tmp_path, f"[override]\n{body}"))


def test_a_mistake_in_an_included_file_is_told_of_that_file(tmp_path: Path) -> None:
    (tmp_path / "inner.toml").write_text('vote = ["a"]\nrule = "sofd"')
    with pytest.raises(
        ValueError, match=r"^\S+inner.toml: rule: .sofd. is unknown, expected soft, log, hard or rank$"
    ):
        read_ensemble(written(tmp_path, 'vote = [{ ensemble = "inner" }, "c"]'))
    with pytest.raises(ValueError, match=r"^\S+iner.toml: no such file; did you mean \S+inner.toml\?$"):
        read_ensemble(written(tmp_path, 'vote = [{ ensemble = "iner" }, "c"]'))


def test_the_list_draws_each_tree_and_counts_trained_folds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ensembles").mkdir()
    written(tmp_path / "ensembles", 'about = "two"\nvote = ["a", "b"]\nrule = "hard"\nweights = [2, 1]')
    own = """
        task = "hat*shoes"
        [override]
        base = { compose = { hat = "a", shoes = "b" } }
        by = "c"
        task = "hat"
        category = "cap"
        above = 0.5
        where = { shoes = ["red"] }
    """
    (tmp_path / "ensembles/own.toml").write_text(own)  # of labels that nobody has trained on
    for fold in (0, 1):
        (tmp_path / f"runs/a/fold{fold}").mkdir(parents=True)
        (tmp_path / f"runs/a/fold{fold}/best.safetensors").touch()
    settings = EnsemblesSettings(ensembles=tmp_path / "ensembles", runs=tmp_path / "runs")
    list_ensembles(settings)
    text = capsys.readouterr().out
    (tmp_path / "ensembles/alone.toml").write_text('vote = ["a"]')  # of what was never finished
    list_ensembles(settings)
    assert "not ready: " in capsys.readouterr().out
    (tmp_path / "ensembles/alone.toml").unlink()
    for line in ("x: two", "1 of 2 members not trained", "2 x a  2 folds", "1 x b  not trained", *OWN_LINES):
        assert line in text
    (tmp_path / "ensembles/bad.toml").write_text("vote = []")
    with pytest.raises(ValueError, match=r"1 of 3 ensembles do not read: bad.toml"):
        list_ensembles(settings)
    assert Console().width  # drawn at any width


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('vote = ["a", "b"]\nweights = [1, nan]', r"weights=\[1.0, nan\]: must be above 0 and finite"),
        ('vote = ["a", "b"]\nweights = [1, inf]', "must be above 0 and finite"),
        ('vote = ["a", "b"]\nweights = [1e308, 1e308]', "must be above 0 and finite"),
        ('vote = ["a", "b"]\nweights = [1, -1]', "must be above 0 and finite"),
        ('vote = ["a", "b"]\nweights = [1]', "give one for each of the 2 members"),
        ('vote = ["a"]\ntemperature = -1.0', "temperature=-1.0: must be above 0 and finite"),
        ('vote = ["a"]\ntemperature = nan', "temperature=nan: must be"),
        ('vote = ["a"]\ntemperature = inf', "temperature=inf: must be"),
        ('vote = ["a"]\ntemperature = "1"', "temperature: "),
        ('vote = ["../../etc"]', r"vote\[0\]: member '../../etc': no name of a recipe"),
        ('vote = ["/a"]', "member '/a': no name of a recipe"),
        ('vote = [""]', "member '': no name of a recipe"),
        ('vote = ["a\\u001b[31m"]', "no name of a recipe"),
        ("vote = [3]", r"vote\[0\]: 3: a member is a recipe's name or a table"),
        ('ensemble = "../x"', "ensemble='../x': no name of a file beside this one"),
        ('ensemble = "x"', "goes round in a circle: x -> x"),
        (
            'override = { base = "a", by = "b", task = "age", category = ">=60", above = nan }',
            "override.above=nan: a probability",
        ),
        (
            'override = { base = "a", by = "b", task = "age", category = ">=60", above = 1.5 }',
            "override.above=1.5: a probability",
        ),
    ],
)
def test_a_file_of_values_that_cannot_be_is_refused_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=rf"x.toml.*{message}") as refusal:
        read_ensemble(written(tmp_path, text))
    assert len(str(refusal.value).splitlines()) == 1


def test_files_that_include_files_do_not_grow_without_end(tmp_path: Path) -> None:
    for place in range(40):
        twice = f'[{{ ensemble = "e{place + 1}" }}, {{ ensemble = "e{place + 1}" }}]'
        (tmp_path / f"e{place}.toml").write_text(f"vote = {twice}")
    with pytest.raises(ValueError, match=r"ensemble='e\d+': files that include files more than 8 deep"):
        read_ensemble(tmp_path / "e0.toml")
