from __future__ import annotations

import json
import logging
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from relhop.errors import PlanError, TrainingError
from relhop.plan import ModelPlan
from relhop.predictive_query import PredictiveQuery
from relhop.predictor import Predictor
from relhop.trainer import Trainer
from relhop.training_table import TrainingTable
from tests import clicks

PLAN = ModelPlan().with_overrides(
    {
        "neighbor_sampling.num_neighbors": [8, 2],
        "model_architecture.channels": 16,
        "optimization.max_epochs": 3,
        "optimization.base_lr": 0.01,
    }
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("trainer") / "clicks.rh")


@pytest.fixture(scope="module")
def table(store):
    return clicks.training_table(store)


def trainer(out, **overrides):
    changes = {name.replace("__", "."): value for name, value in overrides.items()}
    return Trainer(PLAN.with_overrides(changes), out=out, accelerator="cpu", progress=False)


@pytest.fixture(scope="module")
def fitted(store, table, tmp_path_factory):
    fitting = trainer(tmp_path_factory.mktemp("fitted") / "model")
    return fitting, fitting.fit(table, store)


def test_a_label_that_the_past_tells_is_learnt_and_judged_beside_baselines(fitted):
    _, result = fitted
    assert result.metric == "auroc"
    assert set(result.metrics) == set(result.baselines) == {"val", "test"}
    assert result.metrics["test"]["auroc"] > 0.95
    assert result.baselines["test"]["global mean"]["auroc"] == 0.5
    assert result.baselines["val"]["entity mean"]["auroc"] == 1.0
    assert result.notes == []
    assert [entry["epoch"] for entry in result.history] == list(range(1, len(result.history) + 1))
    assert {"train_loss", "val_loss", "val_auroc", "seconds"} <= set(result.history[0])
    assert max(entry["val_auroc"] for entry in result.history) == pytest.approx(
        result.metrics["val"]["auroc"]
    )


def test_the_model_s_folder_holds_plan_task_metrics_weights_and_logs(fitted):
    _, result = fitted
    names = {path.name for path in result.path.iterdir()}
    assert names == {"model.pt", "plan.yaml", "task.json", "metrics.json", "logs"}
    assert ModelPlan.from_yaml(result.path / "plan.yaml") == PLAN
    written = json.loads((result.path / "metrics.json").read_text())
    assert written["metrics"] == result.metrics
    assert written["baselines"] == result.baselines
    logs = {path.name.split(".")[0] for path in (result.path / "logs").iterdir()}
    assert {"metrics", "events"} <= logs
    assert len(pd.read_csv(result.path / "logs" / "metrics.csv")["val_auroc"].dropna()) == len(result.history)


def test_statistics_are_fitted_at_the_training_cut_alone(fitted, table):
    described = json.loads((fitted[1].path / "task.json").read_text())
    assert described["statistics"]["cut"] == table.train_cut
    device = described["statistics"]["columns"]["clicks"]["device"]["values"]
    assert sorted(device) == ["desk", "phone"]  # glasses come later


def test_a_fresh_process_predicts_the_same_bits(fitted, store, table, tmp_path):
    trained, result = fitted
    scores = trained.predict(table.splits["test"], store).scores
    script = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from relhop.store.reader import Store\n"
        "from relhop.trainer import Trainer\n"
        "from tests import clicks\n"
        "import numpy as np\n"
        "store = Store.open(sys.argv[1])\n"
        "test = clicks.training_table(store).splits['test']\n"
        "np.save(sys.argv[3], Trainer.load(sys.argv[2], accelerator='cpu').predict(test, store).scores)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(store.path), str(result.path), str(tmp_path / "scores.npy")],
        check=True,
    )
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), scores)


def test_the_same_seed_trains_the_same_weights_and_another_one_others(fitted, store, table, tmp_path):
    weights = torch.load(fitted[1].path / "model.pt", weights_only=True)
    same = trainer(tmp_path / "same").fit(table, store)
    for name, weight in torch.load(same.path / "model.pt", weights_only=True).items():
        assert torch.equal(weight, weights[name]), name
    other = trainer(tmp_path / "other", training_job__seed=1, optimization__max_epochs=1).fit(table, store)
    other_weights = torch.load(other.path / "model.pt", weights_only=True)
    assert any(not torch.equal(weight, weights[name]) for name, weight in other_weights.items())


class Killed(Exception):
    pass


def interrupt_after(monkeypatch, epochs):
    """Lets training die at the start of the epoch after so many."""
    from relhop.fitting import Fitting

    begin = Fitting.on_train_epoch_start

    def dying(self):
        if self.current_epoch == epochs:
            raise Killed
        begin(self)

    monkeypatch.setattr(Fitting, "on_train_epoch_start", dying)


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(fitted, store, table, tmp_path, monkeypatch):
    out = tmp_path / "model"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(Killed):
            trainer(out).fit(table, store)
    assert not out.exists()
    result = trainer(out).fit(table, store, resume=True)
    assert [entry["epoch"] for entry in result.history] == [1, 2, 3]
    unbroken = torch.load(fitted[1].path / "model.pt", weights_only=True)
    for name, weight in torch.load(result.path / "model.pt", weights_only=True).items():
        assert torch.equal(weight, unbroken[name]), name
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


def test_an_interrupted_run_of_another_plan_is_not_resumed_but_can_be_discarded(
    store, table, tmp_path, monkeypatch, caplog
):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(Killed):
            trainer(tmp_path / "model").fit(table, store)
    changed = trainer(tmp_path / "model", optimization__max_epochs=1)
    with pytest.raises(TrainingError) as error:
        changed.fit(table, store, resume=True)
    partial = tmp_path / "model.partial"
    assert str(error.value) == (
        f"the interrupted run in {partial} has another plan ({partial}/plan.yaml) or other data; resume it"
        " with these, or start anew with resume=False"
    )
    with caplog.at_level(logging.WARNING, logger="relhop.trainer"):
        assert changed.fit(table, store).path.exists()
    assert caplog.messages == [
        f"the interrupted run in {partial} is discarded; resume=True would have gone on with it"
    ]


def test_ctrl_c_reaches_the_caller_and_the_next_one_too(store, table, tmp_path, monkeypatch):
    import signal

    from relhop.fitting import Fitting

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Fitting, "on_train_epoch_start", lambda self: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "model").fit(table, store)
    assert signal.getsignal(signal.SIGINT) == before


def test_a_new_model_replaces_an_older_one(store, table, tmp_path):
    out = tmp_path / "model"
    first = trainer(out, optimization__max_epochs=1).fit(table, store, resume=True)
    assert len(first.history) == 1
    assert len(trainer(out, optimization__max_epochs=2).fit(table, store).history) == 2
    assert Trainer.load(out).plan.optimization.max_epochs == 2
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_second_training_in_a_folder_is_refused_while_one_is_under_way(store, table, tmp_path):
    class Second(Callback):
        def on_train_epoch_end(self, *_):
            with pytest.raises(TrainingError) as error:
                trainer(tmp_path / "model").fit(table, store)
            assert str(error.value) == (
                f"another training is under way in {tmp_path / 'model.partial'}; wait for its end, or choose"
                " another out"
            )

    trainer(tmp_path / "model", optimization__max_epochs=1).fit(table, store, callbacks=[Second()])
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_in_the_place_of_a_run_under_way_is_left_alone(store, table, tmp_path):
    (tmp_path / "model.partial").mkdir()
    with pytest.raises(TrainingError) as error:
        trainer(tmp_path / "model").fit(table, store)
    assert str(error.value) == (
        f"{tmp_path / 'model.partial'} is no run under way, and would be in its place; move it away"
    )


def test_a_folder_of_other_files_is_not_replaced(store, table, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(TrainingError) as error:
        trainer(tmp_path / "photos").fit(table, store)
    assert str(error.value) == (
        f"{tmp_path / 'photos'} is not empty and holds no model, so no model is written there; choose"
        " another out"
    )
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.png"]
    with pytest.raises(TrainingError, match=r"cat\.png is a file, so no model is written there"):
        trainer(tmp_path / "photos" / "cat.png").fit(table, store)
    assert (tmp_path / "photos" / "cat.png").is_file()


class ByParity(torch.nn.Module):
    """A module of the user's, with one weight."""

    def __init__(self, shape=(-1, 1)):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.1))
        self.shape = shape

    def forward(self, batch):
        users = batch["users"]
        even = users.row[: users.batch_size] % 2 == 0
        return (self.weight * (even.float() * 2 - 1)).reshape(self.shape)


def test_a_module_of_the_user_s_is_trained_saved_and_loaded(store, table, tmp_path):
    module = ByParity()
    fitting = trainer(tmp_path / "model")
    result = fitting.fit(table, store, model=module)
    assert module.weight.item() > 0.1
    assert result.metrics["test"]["auroc"] == 1.0
    with pytest.raises(TrainingError) as error:
        Trainer.load(result.path)
    assert str(error.value) == (
        f"the model in {result.path} is a module of your own; give one of the same make:"
        " Trainer.load(path, model=...)"
    )
    again = Trainer.load(result.path, model=ByParity(), accelerator="cpu")
    test = table.splits["test"]
    np.testing.assert_array_equal(again.predict(test, store).scores, fitting.predict(test, store).scores)


def test_a_plan_s_model_is_loaded_without_a_module(fitted):
    with pytest.raises(TrainingError) as error:
        Trainer.load(fitted[1].path, model=ByParity())
    assert str(error.value) == f"the model in {fitted[1].path} is built by its plan; load it without `model`"
    assert Trainer.load(fitted[1].path).query is None


def test_outputs_of_a_wrong_shape_are_refused(store, table, tmp_path):
    with pytest.raises(TrainingError) as error:
        trainer(tmp_path / "model").fit(table, store, model=ByParity(shape=(-1,)))
    size = len(table.splits["train"]) // 10
    assert str(error.value) == f"the model gave outputs of shape ({size},) for a batch that needs ({size}, 1)"


def test_a_loss_that_is_no_number_stops_the_run(store, table, tmp_path):
    module = ByParity()
    with torch.no_grad():
        module.weight.fill_(float("nan"))
    with pytest.raises(TrainingError) as error:
        trainer(tmp_path / "model").fit(table, store, model=module)
    assert str(error.value) == (
        "the training loss became nan in epoch 1; try a smaller optimization.base_lr, and look"
        " for extreme labels"
    )


def test_multiclass_labels_are_learnt_and_predicted_by_value(store, tmp_path):
    table = clicks.training_table(store, "multiclass")
    fitting = trainer(tmp_path / "model", optimization__max_epochs=6)
    result = fitting.fit(table, store)
    assert result.metric == "accuracy"
    assert result.metrics["test"]["accuracy"] > result.baselines["test"]["global mean"]["accuracy"]
    frame = Trainer.load(result.path, accelerator="cpu").predict(table.splits["test"], store).to_pandas()
    assert set(frame["class"]) <= {"high", "low", "odd"}


def test_regression_labels_are_learnt_within_the_range_of_training(store, tmp_path):
    table = clicks.training_table(store, "regression")
    fitting = trainer(tmp_path / "model", optimization__loss="huber", optimization__early_stopping=None)
    result = fitting.fit(table, store)
    assert result.metric == "mae"
    assert result.metrics["test"]["mae"] < result.baselines["test"]["global median"]["mae"]
    scores = fitting.predict(table, store).scores
    low, high = np.percentile(table.splits["train"].target, [2, 98])
    assert low <= scores.min()
    assert scores.max() <= high


def test_a_frozen_store_for_the_test_split_hides_what_came_after(fitted, store, table, tmp_path):
    trained, result = fitted
    frozen = store.as_of("2020-01-20")
    got = trained.evaluate(table.splits["test"], frozen)
    assert got != result.metrics["test"]
    again = trainer(tmp_path / "model").fit(table, store, test_store=frozen)
    assert again.metrics["test"] == got
    assert again.metrics["val"] == result.metrics["val"]


def test_a_frozen_store_for_the_validation_split_judges_epochs_as_a_frozen_test(store, table, tmp_path):
    frozen, changes = store.as_of("2020-01-20"), {"neighbor_sampling__delay": "0 to 20 days"}
    trained = trainer(tmp_path / "model", **changes)
    result = trained.fit(table, store, val_store=frozen)
    assert result.metrics["val"] == trained.evaluate(table.splits["val"], frozen)
    assert result.metrics["val"] != trained.evaluate(table.splits["val"], store)
    assert max(entry["val_auroc"] for entry in result.history) == pytest.approx(
        result.metrics["val"]["auroc"]
    )
    again = trainer(tmp_path / "again", **changes).fit(table, store, val_store=frozen)
    assert again.metrics == result.metrics


def test_a_validation_store_of_other_data_is_refused(store, table, tmp_path):
    other = clicks.build(tmp_path / "other.rh")
    with pytest.raises(TrainingError) as error:
        trainer(tmp_path / "model").fit(table, store, val_store=other)
    assert str(error.value) == (
        f"val_store is {other.path}, but training reads {store.path}; give a view of it: store.as_of(time)"
    )


def test_a_validation_split_of_one_class_is_tuned_by_log_loss(store, tmp_path):
    frame = clicks.labels()
    frame.loc[frame.split != "train", "target"] = 1
    table = TrainingTable.from_pandas(frame, store, entity_table="users", task_type="binary")
    result = trainer(tmp_path / "model", optimization__max_epochs=1).fit(table, store)
    assert result.metric == "log_loss"
    assert result.notes[0] == (
        "val: all labels are the same, so the best epoch is chosen by log_loss instead of auroc"
    )
    assert "auroc" not in {k.removeprefix("val_") for k in result.history[0]}
    assert json.loads((result.path / "metrics.json").read_text())["metrics"]["test"]["auroc"] is None


def test_an_empty_test_split_has_no_metrics(store, table, tmp_path):
    result = trainer(tmp_path / "model", optimization__max_epochs=1).fit(
        table.take(np.flatnonzero(table.split != 2)), store
    )
    assert result.metrics["test"] == {}
    assert result.notes == ["test: no examples, so no metrics"]


def test_splits_that_training_needs_must_not_be_empty(store, table, tmp_path):
    for split, name in ((0, "train"), (1, "val")):
        with pytest.raises(TrainingError) as error:
            trainer(tmp_path / "model").fit(table.take(np.flatnonzero(table.split != split)), store)
        assert (
            str(error.value)
            == f"the table has no labelled examples in its split '{name}'; training needs some"
        )
    unlabelled = clicks.labels().drop(columns=["target", "split"])
    asked = TrainingTable.from_pandas(unlabelled, store, entity_table="users", task_type="binary")
    with pytest.raises(TrainingError):
        trainer(tmp_path / "model").fit(asked, store)


def test_before_training_there_is_nothing_to_predict_with(store, table, tmp_path):
    with pytest.raises(TrainingError) as error:
        trainer(tmp_path / "model").predict(table, store)
    assert str(error.value) == "there is no trained model yet; call fit, or Trainer.load(path)"
    assert trainer(tmp_path / "model").query is None


def test_a_table_of_other_classes_is_not_judged(store, tmp_path):
    fitting = trainer(tmp_path / "model", optimization__max_epochs=1)
    fitting.fit(clicks.training_table(store, "multiclass"), store)
    frame = clicks.labels("multiclass")
    fewer = TrainingTable.from_pandas(
        frame[frame.target != "low"], store, entity_table="users", task_type="multiclass"
    )
    with pytest.raises(TrainingError) as error:
        fitting.evaluate(fewer, store)
    assert str(error.value) == (
        "the table's classes are ('high', 'odd'), the model's ('high', 'low', 'odd'); make the table from the"
        " query and the splits that the model was trained on"
    )


def test_a_run_that_failed_before_its_first_epoch_leaves_nothing_to_resume(store, table, tmp_path, caplog):
    with pytest.raises(PlanError):
        trainer(tmp_path / "model", optimization__loss="mse").fit(table, store)
    assert (
        trainer(tmp_path / "model", optimization__max_epochs=1).fit(table, store, resume=True).path.exists()
    )
    assert caplog.messages == []


def test_a_table_without_labels_is_not_judged(fitted, store):
    unlabelled = clicks.labels().drop(columns=["target", "split"])
    asked = TrainingTable.from_pandas(unlabelled, store, entity_table="users", task_type="binary")
    with pytest.raises(TrainingError) as error:
        fitted[0].evaluate(asked, store)
    assert str(error.value) == "the table has no labels to judge by; use predict"


def test_a_store_that_numbers_its_categories_otherwise_gives_the_same_scores(fitted, store, table, tmp_path):
    tables = clicks.frames()
    tables["users"] = tables["users"].iloc[::-1].reset_index(drop=True)
    turned = clicks.build(tmp_path / "turned.rh", tables=tables)
    assert turned.tables["users"].categories("city") != store.tables["users"].categories("city")
    test = table.splits["test"]
    users = test.keys.to_pandas()
    frame = users.assign(anchor_time=test.anchor_times.view("datetime64[us]"))
    asked = TrainingTable.from_pandas(frame, turned, entity_table="users", task_type="binary")
    trained = Trainer.load(fitted[1].path, accelerator="cpu")
    # All neighbors, for draws are keyed by row numbers; in another order sums differ in their last bits.
    took_all = Predictor(trained._predictor.model, _all_neighbors(trained._predictor.described))
    one, other = took_all.predict(asked, turned).scores, took_all.predict(test, store).scores
    np.testing.assert_allclose(one, other, atol=1e-5)


def _all_neighbors(described):
    import dataclasses

    plan = described.plan.with_overrides({"neighbor_sampling.num_neighbors": [-1, -1]})
    return dataclasses.replace(described, plan=plan)


def test_without_a_folder_the_model_goes_to_runs(store, table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plan = PLAN.with_overrides({"optimization.max_epochs": 1})
    result = Trainer(plan, accelerator="cpu").fit(table, store)
    assert result.path.as_posix() == "runs/users-binary"
    assert capsys.readouterr().out.startswith("epoch 1: train loss ")


LISTS = "PREDICT LIST_DISTINCT(clicks.device, 0, 3) {} FOR EACH users.user_id"
COUNTS = "PREDICT SUM(clicks.score, 0, 3) FORECAST 2 TIMEFRAMES FOR EACH users.user_id"


def asked(store, text):
    query = PredictiveQuery(store, text)
    table = query.generate_training_table(store, val_start="2020-01-31", test_start="2020-02-12")
    return query, table


def test_a_list_of_classes_is_learnt_judged_and_predicted(store, tmp_path):
    query, table = asked(store, LISTS.format("CLASSIFY"))
    fitting = trainer(tmp_path / "lists", optimization__max_epochs=1)
    result = fitting.fit(table, store)
    assert result.metric == "map"
    assert set(result.metrics["val"]) == {"map", "macro_auroc", "macro_f1", "micro_f1", "log_loss"}
    assert set(result.baselines["test"]) == {"global mean", "majority", "entity mean", "last value"}
    assert fitting.evaluate(table.splits["test"], store) == result.metrics["test"]
    loaded = Trainer.load(result.path, accelerator="cpu", progress=False)
    predictions = loaded.predict(query.generate_prediction_table(store), store)
    assert predictions.scores.shape == (clicks.NUM_USERS, 2)
    frame = predictions.to_pandas()
    assert frame.columns.tolist() == ["user_id", "anchor_time", "class", "score_desk", "score_phone"]
    likely = [[c for c in ("desk", "phone") if row[f"score_{c}"] >= 0.5] for _, row in frame.iterrows()]
    assert frame["class"].tolist() == likely
    predictions.to_parquet(tmp_path / "lists.parquet")
    assert len(pd.read_parquet(tmp_path / "lists.parquet")) == clicks.NUM_USERS


def test_the_likeliest_classes_of_a_list_are_ranked(store, tmp_path):
    query, table = asked(store, LISTS.format("RANK TOP 1"))
    fitting = trainer(tmp_path / "ranked", optimization__max_epochs=1)
    fitting.fit(table, store)
    predictions = fitting.predict(query.generate_prediction_table(store), store)
    frame = predictions.to_pandas()
    best = predictions.scores.argmax(axis=1)
    assert frame["class"].tolist() == [[("desk", "phone")[i]] for i in best]
    assert frame["score"].tolist() == [[score] for score in predictions.scores.max(axis=1)]


def test_a_forecast_is_learnt_judged_by_window_and_predicted(store, tmp_path):
    query, table = asked(store, COUNTS)
    fitting = trainer(tmp_path / "forecast", optimization__max_epochs=6)
    result = fitting.fit(table, store)
    assert result.metric == "mae"
    assert {"mae", "rmse", "smape", "mae@1", "mae@2", "smape@2"} <= set(result.metrics["test"])
    assert result.metrics["test"]["mae"] < result.baselines["test"]["global median"]["mae"]
    assert "val_mae@1" not in result.history[0]
    frame = fitting.predict(query.generate_prediction_table(store), store).to_pandas()
    assert frame.columns.tolist() == ["user_id", "anchor_time", "score_1", "score_2"]
    assert frame["score_1"][::2].mean() > 0 > frame["score_1"][1::2].mean()


def test_examples_without_weight_change_nothing(store, tmp_path):
    labels = clicks.labels()
    noisy = pd.concat([labels, labels.assign(target=1 - labels["target"])])
    weights = np.repeat([1.0, 0.0], len(labels))
    table = TrainingTable.from_pandas(noisy.assign(weight=weights), store, entity_table="users")
    result = trainer(tmp_path / "weighted").fit(table, store)
    mixed = table.splits["test"]
    scores = Trainer.load(result.path, accelerator="cpu").evaluate(
        mixed.take(np.flatnonzero(mixed.weight)), store
    )
    assert scores["auroc"] > 0.9


AGGREGATED = {"column_processing__aggregates": True, "neighbor_sampling__num_neighbors": [1]}
NAMELESS = {"column_processing__drop": ["users.age", "users.born", "users.city"]}


@pytest.fixture(scope="module")
def frequent_visitors(store):
    """Whether a user clicked more often than most in all the past: more than sampled rows can say."""
    frame = clicks.labels()
    past = clicks.frames()["clicks"]
    counts = [
        ((past.user_id == user) & (past["at"] <= anchor)).sum()
        for user, anchor in zip(frame.user_id, frame.anchor_time, strict=True)
    ]
    days = (frame.anchor_time - clicks.START) / pd.Timedelta(days=1)
    frame["target"] = (counts > 0.8 * days).astype(int)
    return TrainingTable.from_pandas(frame, store, entity_table="users", task_type="binary")


def test_aggregates_tell_what_lies_beyond_the_sampled_rows(store, frequent_visitors, tmp_path):
    settings = {"optimization__max_epochs": 14, "optimization__min_steps_per_epoch": 20, **NAMELESS}
    without = trainer(tmp_path / "without", **settings, neighbor_sampling__num_neighbors=[1])
    beside = trainer(tmp_path / "beside", **settings, **AGGREGATED)
    few = without.fit(frequent_visitors, store).metrics["test"]["auroc"]
    found = beside.fit(frequent_visitors, store).metrics["test"]["auroc"]
    assert found > 0.85
    assert found > few + 0.1, few
    scores = beside.predict(frequent_visitors, store).scores
    loaded = Trainer.load(beside.path, accelerator="cpu", progress=False)
    assert loaded.predict(frequent_visitors, store).scores.tobytes() == scores.tobytes()


def test_aggregates_of_drawn_delays_train_the_same_weights_twice(store, table, tmp_path):
    settings = AGGREGATED | {"neighbor_sampling__delay": "0 to 9 days", "optimization__max_epochs": 2}
    first, second = (trainer(tmp_path / name, **settings).fit(table, store) for name in ("a", "b"))
    weights = torch.load(first.path / "model.pt", weights_only=True)
    for name, weight in torch.load(second.path / "model.pt", weights_only=True).items():
        assert torch.equal(weight, weights[name]), name


def test_aggregates_of_a_frozen_store_hide_what_came_after(store, table, tmp_path):
    fitting = trainer(tmp_path / "model", **AGGREGATED, optimization__max_epochs=1)
    fitting.fit(table, store)
    late = table.splits["test"]
    early = clicks.frames()
    early["clicks"] = early["clicks"].query("at <= '2020-02-10'")
    cut = clicks.build(tmp_path / "early.rh", tables=early)
    frozen = fitting.predict(late, store.as_of("2020-02-10")).scores
    np.testing.assert_allclose(frozen, fitting.predict(late, cut.as_of("2020-02-10")).scores, atol=1e-6)
    assert not np.allclose(frozen, fitting.predict(late, store).scores)
