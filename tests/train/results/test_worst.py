from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from faces.cache.reader import Cache
from faces.labels import CONTEST, TASKS
from tests.helpers.own_labels import OWN, write_own
from train.results.oof import oof_table
from train.results.report import (
    confusion_figure,
    draw_curves,
    draw_out_of_fold,
    read_out_of_fold,
    score_out_of_fold,
)
from train.results.worst import draw_worst, worst_errors


def table_of(cache: Cache, probabilities: dict[str, np.ndarray]) -> pd.DataFrame:
    """An out-of-fold table of the cache's first photos with these probabilities."""
    count = len(next(iter(probabilities.values())))
    known = cache.index.loc[: count - 1, ["position", "image_id", "person", "mask", "gender", "age"]]
    columns = {f"{t}:{n}": p[:, i] for t, p in probabilities.items() for i, n in enumerate(TASKS[t].classes)}
    return pd.concat([known.assign(fold=0), pd.DataFrame(columns)], axis=1)


def right_answers(cache: Cache, task: str, count: int) -> np.ndarray:
    """All of the probability on the truth, float32 [count, classes]."""
    return np.eye(len(TASKS[task].classes), dtype=np.float32)[cache.labels(task)[:count]]


def mislead(probabilities: np.ndarray, row: int, wrong: float) -> None:
    """Move so much of a row's probability from the truth to the class after it."""
    truth = int(probabilities[row].argmax())
    probabilities[row, truth] = 1 - wrong
    probabilities[row, (truth + 1) % probabilities.shape[1]] = wrong


def words(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_worst_errors_come_by_confidence_and_right_answers_not_at_all(coloured: Cache) -> None:
    probabilities = right_answers(coloured, "class18", 30)
    for row, wrong in ((4, 0.7), (11, 0.95), (20, 0.6), (25, 0.45)):
        mislead(probabilities, row, wrong)
    errors = worst_errors(table_of(coloured, {"class18": probabilities}), CONTEST)
    # Row 25 is unsure but right.
    assert [*errors["position"]] == [*coloured.index["position"][[11, 4, 20]]]
    np.testing.assert_allclose(errors["confidence"], [0.95, 0.7, 0.6], rtol=1e-6)
    np.testing.assert_allclose(errors["margin"], [0.9, 0.4, 0.2], rtol=1e-5)
    names = TASKS["class18"].classes
    truth = coloured.labels("class18")[[11, 4, 20]]
    assert [*errors["true"]] == [names[t] for t in truth]
    assert [*errors["guessed"]] == [names[(t + 1) % 18] for t in truth]


def test_no_more_errors_than_asked_for(coloured: Cache) -> None:
    probabilities = right_answers(coloured, "class18", 30)
    for row in range(10):
        mislead(probabilities, row, 0.6 + row / 100)
    errors = worst_errors(table_of(coloured, {"class18": probabilities}), CONTEST, 3)
    assert [*errors["position"]] == [*coloured.index["position"][[9, 8, 7]]]


def test_heads_that_do_not_say_the_classes_are_judged_each_by_itself(coloured: Cache) -> None:
    mask, senior = right_answers(coloured, "mask", 40), right_answers(coloured, "senior", 40)
    young = np.flatnonzero(coloured.labels("senior")[:40] < 0)
    senior[young] = (0, 1)
    row = int(np.flatnonzero(coloured.labels("senior")[:40] == 0)[0])
    mislead(mask, row, 0.8)
    mislead(senior, row, 0.9)
    errors = worst_errors(table_of(coloured, {"mask": mask, "senior": senior}), CONTEST)
    # Whoever is younger than 30 has no class in `senior`, and no guess about them is wrong.
    assert [*errors["task"]] == ["senior", "mask"]
    assert errors["guessed"][0] == ">=60"
    assert {*errors["position"]} == {coloured.index["position"][row]}


def test_factor_heads_that_say_the_classes_together_are_judged_together(coloured: Cache) -> None:
    probabilities = {task: right_answers(coloured, task, 30) for task in ("mask", "gender", "age3")}
    mislead(probabilities["gender"], 7, 0.8)
    [error] = worst_errors(table_of(coloured, probabilities), CONTEST).to_dict("records")
    assert error["task"] == "class18"
    assert {*error["true"].split()} ^ {*error["guessed"].split()} == {"male", "female"}


def test_the_picture_shows_the_crop_the_label_the_guess_and_the_confidence(coloured: Cache) -> None:
    probabilities = right_answers(coloured, "class18", 30)
    for row, wrong in ((4, 0.7), (11, 0.95)):
        mislead(probabilities, row, wrong)
    table = table_of(coloured, {"class18": probabilities})
    figure, [first, second] = draw_worst(coloured, table), worst_errors(table, CONTEST).to_dict("records")
    assert words(figure) == [
        first["true"],
        f"→ {first['guessed']}  95%",
        second["true"],
        f"→ {second['guessed']}  70%",
    ]
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    np.testing.assert_array_equal(shown, [coloured.image(11), coloured.image(4)])


def test_without_errors_the_picture_says_so(coloured: Cache) -> None:
    figure = draw_worst(coloured, table_of(coloured, {"class18": right_answers(coloured, "class18", 30)}))
    assert [text.get_text() for text in figure.texts] == ["none of 30 photos is predicted wrongly"]


def test_heads_that_do_not_say_the_classes_get_a_confusion_matrix_each(coloured: Cache) -> None:
    probabilities = {task: right_answers(coloured, task, 40) for task in ("age6", "senior")}
    figure = confusion_figure(table_of(coloured, probabilities), "title", CONTEST)
    assert [axes.get_title() for axes in figure.axes] == ["age6: accuracy 1.000", "senior: accuracy 1.000"]
    counts = [sum(int(text.get_text()) for text in axes.texts) for axes in figure.axes]
    assert counts == [40, int((coloured.labels("senior")[:40] >= 0).sum())]


def test_confusion_of_the_classes_leaves_out_photos_without_labels(coloured: Cache) -> None:
    table = table_of(coloured, {"class18": right_answers(coloured, "class18", 40)})
    table.loc[:4, "age"] = np.nan
    [first, *_] = [
        axes for axes in confusion_figure(table, "title", CONTEST).axes if axes.get_title() == "18 classes"
    ]
    assert sum(int(text.get_text()) for text in first.texts) == 35


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_own(tmp_path_factory.mktemp("caches") / "own")


def own_table(cache: Cache, *tasks: str) -> pd.DataFrame:
    """All photos of a cache of own labels, the first class said of each."""
    heads = {}
    for name in tasks:
        size = len(OWN.task(name).classes)
        heads[name] = np.tile(np.eye(size, dtype=np.float32)[0], (len(cache), 1))
    return oof_table(cache, np.arange(len(cache)), heads, 0)


def test_own_heads_get_a_confusion_matrix_each_of_the_photos_labelled_for_it(own: Cache) -> None:
    table = own_table(own, "glasses", "helmet", "years", "glasses*helmet", "years[30, 50]")
    figure = confusion_figure(table.assign(helmet=-1), "title", OWN)
    shown = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert [*shown] == [
        "glasses: accuracy 0.500",
        "helmet: no photo is labelled",
        "years: accuracy 0.500",
        "glasses*helmet: no photo is labelled",
        "years[30, 50]: accuracy 0.500",
    ]
    counts = [sum(int(text.get_text()) for text in axes.texts) for axes in shown.values()]
    assert counts == [48, 0, 72, 0, 72]


def test_errors_of_own_heads_name_their_task_and_are_drawn(own: Cache) -> None:
    table = own_table(own, "glasses", "helmet")
    errors = worst_errors(table, OWN, count=100)
    for task in ("glasses", "helmet"):
        assert (errors["task"] == task).sum() == (own.labels(task) > 0).sum()
    assert {*errors["guessed"]} == {"yes"} and {*errors["true"]} == {"no", "unsure"}
    assert words(draw_worst(own, table, 1)) == [f"{errors['task'][0]}: {errors['true'][0]}", "→ yes  100%"]


def test_a_single_factor_of_own_labels_is_scored_and_drawn(own: Cache, tmp_path: Path) -> None:
    table = own_table(own, "glasses")
    assert score_out_of_fold(table, OWN) == pytest.approx(
        {"macro_f1": 1 / 3, "glasses_f1": 1 / 3, "f1 yes": 2 / 3, "f1 no": 0}
    )
    assert draw_out_of_fold(table, tmp_path, OWN).stat().st_size > 0


def test_out_of_fold_tables_of_all_folds_are_read_scored_and_drawn(coloured: Cache, tmp_path: Path) -> None:
    probabilities = {task: right_answers(coloured, task, 40) for task in ("mask", "senior")}
    whole = table_of(coloured, probabilities)
    for fold, rows in enumerate((whole[:25], whole[25:])):
        (tmp_path / f"fold{fold}").mkdir()
        rows.assign(fold=fold).to_parquet(tmp_path / f"fold{fold}" / "oof.parquet", index=False)
    pooled = read_out_of_fold(tmp_path)
    assert len(pooled) == 40
    assert score_out_of_fold(pooled, CONTEST)["macro_f1"] == 1
    assert draw_out_of_fold(pooled, tmp_path, CONTEST).stat().st_size > 0


def test_a_recipe_without_any_out_of_fold_table_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "fold0").mkdir()
    with pytest.raises(ValueError, match=r"no fold\*/oof.parquet.*validation"):
        read_out_of_fold(tmp_path)


def test_matrices_of_heads_with_long_and_short_classes_keep_clear_of_title_and_edges(
    coloured: Cache,
) -> None:
    heads = {task: right_answers(coloured, task, 40) for task in ("mask_gender", "mask")}
    figure = confusion_figure(table_of(coloured, heads), "small, folds 0, 1 out of fold", CONTEST)
    figure.draw_without_rendering()  # lays it out a last time; tests' savefig does not
    [title] = [text.get_window_extent() for text in figure.texts]
    for axes in figure.axes:
        low, high = axes.get_tightbbox().ymin, axes.get_tightbbox().ymax
        assert low >= -1 and high <= title.ymin + 1


def test_a_table_without_photos_or_without_heads_is_not_scored(coloured: Cache) -> None:
    table = table_of(coloured, {"class18": right_answers(coloured, "class18", 10)})
    with pytest.raises(ValueError, match="0 photos and 1 heads"):
        score_out_of_fold(table[:0], CONTEST)
    with pytest.raises(ValueError, match="10 photos and 0 heads"):
        score_out_of_fold(table[["mask", "gender", "age", "fold"]], CONTEST)


def curves(folder: Path, monkeypatch: pytest.MonkeyPatch, **columns: list[float]) -> Figure:
    """The figure that `draw_curves` saves of three epochs."""
    history = {"epoch": [0, 1, 2], "lr": [0.1] * 3, "loss": [3.0, 2, 1], **columns, "seconds": [1.0] * 3}
    pd.DataFrame(history).to_csv(folder / "metrics.csv", index=False)
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    assert draw_curves(folder) == folder / "curves.png"
    return saved[0]


def test_curves_show_main_scores_as_lines_and_classes_as_a_heat_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = {"f1 wear male <30": [0.1, 0.2, 0.3], "f1 normal male <30": [np.nan, np.nan, 0.5]}
    figure = curves(tmp_path, monkeypatch, macro_f1=[0.1, 0.5, 0.4], mask=[0.2, 0.3, 0.4], **classes)
    panels = {axes.get_title(): axes for axes in figure.axes}
    validation, heat = panels["validation"], panels["validation F1 of each class"]
    assert [text.get_text() for text in validation.get_legend().texts] == [
        "macro F1",
        "mask",
        "best F1: epoch 2",
    ]
    shown = heat.images[0].get_array()
    np.testing.assert_array_equal(np.ma.filled(shown, np.nan), [*classes.values()])
    assert [tick.get_text() for tick in heat.get_yticklabels()] == ["wear male <30", "normal male <30"]


def test_curves_of_one_head_have_one_line_and_whole_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"macro_f1": [0.1, 0.5, 0.4], "glasses_f1": [0.1, 0.5, 0.4]}
    figure = curves(tmp_path, monkeypatch, **scores, **{"f1 yes": [0.1, 0.2, 0.3]})
    figure.canvas.draw()
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert [line.get_label() for line in panels["validation"].lines] == ["macro F1", "best F1: epoch 2"]
    for axes in panels.values():
        assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_one_epoch_is_a_dot_in_every_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    row = {"epoch": 0, "lr": 1.0, "loss": 2.0, "validation_loss": 3.0, "macro_f1": 0.5, "mask": 0.9}
    pd.DataFrame([row]).to_csv(tmp_path / "metrics.csv", index=False)
    draw_curves(tmp_path)
    saved[0].canvas.draw()
    curves = [line for axes in saved[0].axes for line in axes.lines if line.get_linestyle() == "-"]
    assert len(curves) == 5 and all(line.get_marker() == "o" for line in curves)
    for axes in saved[0].axes:
        left, right = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if left <= tick <= right] == [1]


def test_curves_of_a_run_whose_photos_lack_the_labels_have_no_best_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = curves(tmp_path, monkeypatch, macro_f1=[np.nan] * 3, glasses_f1=[np.nan] * 3)
    [validation] = [axes for axes in figure.axes if axes.get_title() == "validation"]
    assert [text.get_text() for text in validation.get_legend().texts] == ["macro F1"]


def test_curves_of_a_run_without_validation_show_loss_and_learning_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = curves(tmp_path, monkeypatch)
    assert [axes.get_title() for axes in figure.axes] == [
        "training loss",
        "learning rate at the start of the epoch",
    ]
