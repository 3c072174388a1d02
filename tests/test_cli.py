"""The commands, each run as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import relhop as rh
from tests import citations, clicks

QUERY = "PREDICT COUNT(clicks.* WHERE clicks.score > 0, 0, 7, days) > 2 FOR EACH users.user_id"


def relhop(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from relhop.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw CSV files, the store made of them, and a short plan."""
    root = tmp_path_factory.mktemp("cli")
    (root / "raw").mkdir()
    for name, frame in clicks.frames().items():
        frame.to_csv(root / "raw" / f"{name}.csv", index=False)
    done = relhop("ingest", root / "raw", "-o", root / "clicks.rh")
    assert done.returncode == 0, done.stderr
    rh.ModelPlan().with_overrides({"optimization.max_epochs": 2}).to_yaml(root / "plan.yaml")
    return root


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    done = relhop(
        "train", folder / "clicks.rh", QUERY, "-o", folder / "model", "--plan", folder / "plan.yaml"
    )
    assert done.returncode == 0, done.stderr
    assert "binary table of 'users'" in done.stdout
    assert "global mean" in done.stdout
    return folder / "model"


def test_ingest_builds_a_store_with_inferred_keys_times_and_links(folder: Path) -> None:
    store = rh.Store.open(folder / "clicks.rh")
    assert {name: table.num_rows for name, table in store.tables.items()} == {
        name: len(frame) for name, frame in clicks.frames().items()
    }
    assert {(link.name, link.parent) for link in store.schema.links} == {
        ("clicks.user_id", "users"),
        ("clicks.item_id", "items"),
    }
    assert store.schema.tables["clicks"].time_col == "at"


def test_inspect_shows_tables_links_and_bytes(folder: Path) -> None:
    shown = relhop("inspect", folder / "clicks.rh")
    assert shown.returncode == 0
    for word in ("users", "clicks", "clicks.user_id", "2020-01-01", "rows.bin"):
        assert word in shown.stdout


def test_ingest_keeps_numbers_as_precisely_as_it_is_told(folder: Path, tmp_path: Path) -> None:
    done = relhop("ingest", folder / "raw", "-o", tmp_path / "x.rh", "--precision", "bfloat16")
    assert done.returncode == 0, done.stderr
    assert "numbers are bfloat16\n" in relhop("inspect", tmp_path / "x.rh").stdout
    refused = relhop("ingest", folder / "raw", "-o", tmp_path / "x.rh", "--precision", "float8")
    assert refused.returncode == 2
    assert "float8" in refused.stderr


def test_inspect_gives_the_same_as_json(folder: Path) -> None:
    summary = json.loads(relhop("inspect", folder / "clicks.rh", "--json").stdout)
    assert summary == rh.Store.open(folder / "clicks.rh").describe().to_dict()


def test_verify_names_a_damaged_file(folder: Path, tmp_path: Path) -> None:
    whole = relhop("verify", folder / "clicks.rh")
    assert (whole.returncode, whole.stdout.split()[-4:]) == (0, ["every", "file", "is", "whole"])
    subprocess.run(["cp", "-r", str(folder / "clicks.rh"), str(tmp_path / "damaged.rh")], check=True)
    victim = tmp_path / "damaged.rh" / "tables" / "clicks" / "rows.bin"
    content = bytearray(victim.read_bytes())
    content[100] ^= 1
    victim.write_bytes(content)
    damaged = relhop("verify", tmp_path / "damaged.rh")
    assert damaged.returncode == 1
    assert str(victim) in damaged.stderr.replace("\n", "")
    assert "Traceback" not in damaged.stderr


def test_train_leaves_a_model_that_loads(model: Path) -> None:
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["metrics"]["test"]["auroc"] > 0.5
    assert rh.Trainer.load(model).plan.optimization.max_epochs == 2


def test_plan_writes_the_suggestion_with_its_reasons(folder: Path, tmp_path: Path) -> None:
    shown = relhop(
        "plan", folder / "clicks.rh", QUERY, "--run-mode", "normal", "--set", "optimization.max_epochs=4"
    )
    assert shown.returncode == 0, shown.stderr
    assert "  max_epochs: 4\n" in shown.stdout
    assert "  num_experiments: 6  # run mode normal; " in shown.stdout
    plan = rh.ModelPlan.from_yaml(shown.stdout)
    assert plan.candidates["optimization.base_lr"] == (0.003, 0.001)


def test_train_searches_with_settings_of_the_command_line(folder: Path, tmp_path: Path) -> None:
    settings = [
        *("--set", "optimization.base_lr=[0.01, 0.001]"),
        *("--set", "training_job.num_experiments=2"),
        *("--set", "neighbor_sampling.num_neighbors=[2]"),
    ]
    done = relhop(
        "train",
        folder / "clicks.rh",
        QUERY,
        "-o",
        tmp_path / "m",
        "--run-mode",
        "debug",
        "--resume",
        *settings,
    )
    assert done.returncode == 0, done.stderr
    assert "experiment 2 of 2: optimization.base_lr 0.001" in done.stdout
    assert "finished" in done.stdout
    plan = rh.ModelPlan.from_yaml(tmp_path / "m" / "plan.yaml")
    assert (plan.neighbor_sampling.num_hops, plan.model_architecture.channels) == (1, 16)
    refused = relhop("train", folder / "clicks.rh", QUERY, "-o", tmp_path / "x", "--set", "max_epochs")
    assert refused.returncode == 1
    assert refused.stderr == (
        "error: --set max_epochs: there is no value; write such as optimization.max_epochs=3\n"
    )


def test_an_interrupted_training_is_not_discarded(folder: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "m.partial" / "checkpoints" / "last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    refused = relhop("train", folder / "clicks.rh", QUERY, "-o", tmp_path / "m")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"error: an interrupted training is in {tmp_path}/m.partial: go on with it by --resume, with the same"
        f" settings or --plan {tmp_path}/m.partial/plan.yaml; to start anew, remove that folder\n"
    )
    assert checkpoint.exists()
    refused = relhop("predict", tmp_path / "m", folder / "clicks.rh", "-o", tmp_path / "scores.parquet")
    assert refused.stderr == (
        f"error: {tmp_path}/m holds no trained model: there is no model.pt; a training that is under way or"
        f" was interrupted is in {tmp_path}/m.partial, to be resumed\n"
    )


def test_predict_writes_a_score_for_each_entity(model: Path, folder: Path) -> None:
    scores = folder / "scores.parquet"
    done = relhop("predict", model, folder / "clicks.rh", "-o", scores, "--anchor-time", "2020-02-20")
    assert done.returncode == 0, done.stderr
    frame = pd.read_parquet(scores)
    assert frame.user_id.tolist() == list(range(clicks.NUM_USERS))
    assert frame.anchor_time.unique().tolist() == [pd.Timestamp("2020-02-20")]
    assert frame.score.between(0, 1).all()
    store = rh.Store.open(folder / "clicks.rh")
    table = rh.PredictiveQuery(store, QUERY).generate_prediction_table(store, anchor_time="2020-02-20")
    assert rh.Trainer.load(model).predict(table, store).to_pandas().score.tolist() == frame.score.tolist()


def test_a_query_may_stand_in_a_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "query.txt").write_text("PREDICT COUNT(clicks.*, 0, 7, days) > 0 FOR EACH users.user_ID")
    failed = relhop("train", folder / "clicks.rh", tmp_path / "query.txt", "-o", tmp_path / "model")
    assert failed.returncode == 1
    assert "FOR EACH needs the primary key of 'users': users.user_id" in failed.stderr
    assert failed.stderr.splitlines()[-1].strip() == "^"


def test_a_query_may_be_longer_than_a_files_name(folder: Path) -> None:
    long = "PREDICT COUNT(clicks.*, 0, 7, days) > 0 FOR EACH users.user_id" + " # long" * 100
    assert relhop("plan", folder / "clicks.rh", long).returncode == 0
    failed = relhop("plan", folder / "clicks.rh", "qeury.txt")
    assert "'qeury.txt' is neither a query, as PREDICT ... FOR EACH ..., nor a file" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "nowhere.rh"), "there is no store at"),
        (("ingest", "nowhere", "-o", "x.rh"), "nowhere"),
        (
            ("predict", "nowhere", "nowhere.rh", "-o", "x.parquet"),
            "nowhere holds no trained model: there is no model.pt",
        ),
    ],
)
def test_an_error_is_a_message_and_exit_status_1(arguments: tuple[str, ...], message: str) -> None:
    failed = relhop(*arguments)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: ")
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


def test_debug_shows_where_an_error_came_from() -> None:
    failed = relhop("--debug", "inspect", "nowhere.rh")
    assert failed.returncode == 1
    assert "Traceback" in failed.stderr
    assert "StoreError" in failed.stderr


def test_without_a_command_the_help_is_shown() -> None:
    shown = relhop()
    for command in ("ingest", "inspect", "verify", "plan", "train", "predict"):
        assert command in shown.stdout + shown.stderr


def test_inspect_shows_edge_tables_and_their_attributes(tmp_path: Path) -> None:
    shown = relhop("inspect", citations.store(tmp_path).path).stdout
    [cites] = [line for line in shown.splitlines() if line.startswith("│ cites ")]
    assert [cell.strip() for cell in cites.strip("│").split("│")][:9] == [
        "cites", "papers → papers", "6", "1 null, 1 dangling", "2020-01-03", "2020-01-09", "4", "2",
        "weight (1 null)",
    ]  # fmt: skip
    assert "visits.share" in shown
    assert "float32[3]" in shown


def test_report_writes_a_page_about_a_model(folder: Path, model: Path) -> None:
    done = relhop("report", model, folder / "clicks.rh", "-o", folder / "report.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "report.html")
    page = (folder / "report.html").read_text()
    assert "How good: test split" in page
    assert "clicks" in page
