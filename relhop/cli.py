"""The command line, over the public API."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

import relhop as rh
from relhop.checkpoint import partial_of
from relhop.run_folder import is_interrupted
from relhop.store import layout
from relhop.store.precision import Precision
from relhop.store.summary import EdgeTableSummary, LinkSummary, StoreSummary, TableSummary
from relhop.times import format_time

if TYPE_CHECKING:
    from relhop.training_result import TrainingResult

app = typer.Typer(
    help="Graph neural networks on relational tables, correct in time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# A pipe has no width: what is written to one is not to be cut at 80 columns.
_WIDTH_OF_PIPES = 160
out = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_PIPES)
err = Console(stderr=True)

StorePath = Annotated[Path, typer.Argument(help="Folder of a store.")]
Query = Annotated[str, typer.Argument(help="A predictive query, or a file that holds one.")]
Mode = Annotated[str, typer.Option(help="Of the suggested plan: debug, fast, normal or best.")]
ValStart = Annotated[str | None, typer.Option(help="First anchor time of the validation split.")]
TestStart = Annotated[str | None, typer.Option(help="First anchor time of the test split.")]
Settings = Annotated[
    list[str],
    typer.Option(
        "--set", help="A setting of the plan, such as optimization.max_epochs=3; as often as need be."
    ),
]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of all commands."""
    os.environ["RELHOP_DEBUG"] = "1" if debug else ""


@app.command()
def ingest(
    folder: Annotated[
        Path, typer.Argument(help="Folder of CSV or Parquet files, or a SQLite file; may hold a graph.yaml.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The store to write.")],
    memory_limit: Annotated[str | None, typer.Option(help='Memory for the build, such as "4GB".')] = None,
    precision: Annotated[Precision, typer.Option(help="How numerical features are kept.")] = "float32",
) -> None:
    """Infers keys, times and links, checks the data, and builds a store."""
    graph = rh.Graph.from_folder(folder)
    out.print(str(graph.validate()), highlight=False, markup=False)
    store = graph.snapshot(output, precision=precision, memory_limit=memory_limit, memory="mmap")
    rows = sum(table.num_rows for table in store.tables.values())
    out.print(
        f"{output}: {rows:,} rows of {len(store.tables)} tables, {_bytes(store.describe().total_bytes)}"
    )


@app.command()
def inspect(
    store: StorePath,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Shows a store's tables, links, degrees, time ranges and bytes."""
    summary = rh.Store.open(store).describe()
    if as_json:
        out.print_json(json.dumps(summary.to_dict()))
    else:
        _show(summary)


@app.command()
def verify(store: StorePath) -> None:
    """Reads every file of a store; names the first that is damaged."""
    opened = rh.Store.open(store)
    opened.verify(progress=True)
    out.print(f"{store}: every file is whole")


@app.command()
def plan(
    store: StorePath,
    query: Query,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The YAML file to write; printed where none is given."),
    ] = None,
    run_mode: Mode = "fast",
    val_start: ValStart = None,
    test_start: TestStart = None,
    settings: Settings = [],  # noqa: B006
) -> None:
    """Suggests a model plan, with its reasons, for `train --plan`."""
    opened, question, table = _asked(store, query, val_start, test_start)
    suggested = question.suggest_model_plan(opened, run_mode, table=table).with_overrides(_read(settings))
    text = suggested.to_yaml(output)
    if output is None:
        out.print(text, highlight=False, markup=False, soft_wrap=True, end="")


@app.command()
def train(  # noqa: PLR0913
    store: StorePath,
    query: Query,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the trained model.")],
    plan: Annotated[
        Path | None, typer.Option(help="A model plan (YAML); suggested where none is given.")
    ] = None,
    run_mode: Mode = "fast",
    settings: Settings = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    val_start: ValStart = None,
    test_start: TestStart = None,
) -> None:
    """Makes a training table from a query and trains a model on it, or searches for the best one."""
    partial = partial_of(output)
    if is_interrupted(partial) and not resume:
        raise rh.TrainingError(
            f"an interrupted training is in {partial}: go on with it by --resume, with the same settings or"
            f" --plan {partial / 'plan.yaml'}; to start anew, remove that folder"
        )
    opened, question, table = _asked(store, query, val_start, test_start)
    out.print(table.explain(), highlight=False, markup=False)
    chosen = (
        rh.ModelPlan.from_yaml(plan)
        if plan is not None
        else question.suggest_model_plan(opened, run_mode, table=table)
    ).with_overrides(_read(settings))
    result = rh.Trainer(chosen, out=output).fit(table, opened, resume=resume)
    if result.experiments:
        _show_experiments(result)
    _show_metrics(result)
    out.print(f"model: {result.path}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    store: StorePath,
    output: Annotated[Path, typer.Option("-o", "--output", help="Parquet file for the scores.")],
    anchor_time: Annotated[
        str | None, typer.Option(help="Predict as of this time; the newest of the data by default.")
    ] = None,
) -> None:
    """Scores every entity with a trained model."""
    trainer = rh.Trainer.load(model)
    opened = rh.Store.open(store)
    if trainer.query is None:
        raise rh.RelhopError(
            f"{model} was trained on a table without a query; predict from Python with a table of yours"
        )
    table = rh.PredictiveQuery(opened, trainer.query).generate_prediction_table(
        opened, anchor_time=anchor_time
    )
    trainer.predict(table, opened).to_parquet(output)
    out.print(f"{output}: {len(table):,} scores")


@app.command()
def report(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    store: StorePath,
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file for the report.")],
    split: Annotated[str, typer.Option(help="What is judged: val or test.")] = "test",
    val_start: Annotated[str | None, typer.Option(help="As when the model was trained.")] = None,
    test_start: Annotated[str | None, typer.Option(help="As when the model was trained.")] = None,
) -> None:
    """Judges a trained model: intervals, calibration, slices, importance, explained scores; one HTML page."""
    trainer = rh.Trainer.load(model)
    opened = rh.Store.open(store)
    if trainer.query is None:
        raise rh.RelhopError(
            f"{model} was trained on a table without a query; use rh.evaluate with a table of yours"
        )
    question = rh.PredictiveQuery(opened, trainer.query)
    table = question.generate_training_table(opened, val_start=val_start, test_start=test_start)
    out.print(str(rh.evaluate(trainer, table, opened, split=split).to_html(output)), highlight=False)


def main() -> None:
    """The `relhop` command: an error is a message and exit status 1; `--debug` shows where it came from."""
    try:
        app()
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(130)
    except (rh.RelhopError, OSError, ValueError) as error:
        if os.environ.get("RELHOP_DEBUG"):
            raise
        err.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


def _asked(
    store: Path, query: str, val_start: str | None, test_start: str | None
) -> tuple[rh.Store, rh.PredictiveQuery, rh.TrainingTable]:
    """A store, a query on it and its training table."""
    opened = rh.Store.open(store)
    question = rh.PredictiveQuery(opened, _text_of(query))
    table = question.generate_training_table(opened, val_start=val_start, test_start=test_start)
    return opened, question, table


def _text_of(query: str) -> str:
    """A query, given as text or as a file that holds it."""
    # Path.is_file would raise where a query is too long for a name.
    if not os.path.isfile(query):
        if len(query.split()) < 2:
            raise rh.RelhopError(f"'{query}' is neither a query, as PREDICT ... FOR EACH ..., nor a file")
        return query
    try:
        return Path(query).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise rh.RelhopError(f"{query} is no text in UTF-8: {error}") from None


def _read(settings: list[str]) -> dict[str, Any]:
    """Settings of a plan by dotted name, from `name=value`, the value as in YAML."""
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise rh.PlanError(f"--set {setting}: there is no value; write such as optimization.max_epochs=3")
        try:
            found[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise rh.PlanError(f"--set {setting}: the value is no YAML: {error}") from None
    return found


def _show_experiments(result: TrainingResult) -> None:
    names = list(result.experiments[0].settings)
    grid = Grid("experiment", *names, f"val {result.metric}", "epochs", "seconds", "")
    for tried in result.experiments:
        metric = "–" if tried.metric is None else f"{tried.metric:.4f}"
        values = (escape(str(tried.settings[name])) for name in names)
        grid.add_row(
            str(tried.number), *values, metric, str(tried.epochs), f"{tried.seconds:.0f}", tried.state
        )
    out.print(grid)


def _show(summary: StoreSummary) -> None:
    tables = Grid(
        "table",
        "rows",
        "from",
        "to",
        "without time",
        "features",
        "records' order",
        "bytes",
        "bits a row",
        title=summary.path,
    )
    for table in summary.tables:
        tables.add_row(
            table.name,
            f"{table.rows:,}",
            _time(table.oldest_time),
            _time(table.newest_time),
            f"{table.null_times:,}",
            str(len(table.features)),
            _order(table),
            _bytes(sum(table.bytes.values())),
            _bits(table.bits_per_row),
        )
    links = Grid(
        "link",
        "to",
        "edges",
        "null",
        "dangling",
        "weight",
        "mean degree",
        "max degree",
        "bytes",
        "bytes an edge",
        "bits a row",
    )
    for link in summary.links:
        links.add_row(
            link.name,
            link.parent,
            f"{link.edges:,}",
            f"{link.nulls:,}",
            f"{link.dangling:,}",
            _weight(link),
            f"{link.degree_mean:.1f}",
            f"{link.degree_max:,}",
            _bytes(sum(link.bytes.values())),
            _per_edge(link.bytes_per_edge),
            _bits(link.bits_per_row),
        )
    attributes = Grid("attribute", "dtype and shape", "bytes")
    of_attributes = [(part.name, part.attributes, part.bytes) for part in summary.tables]
    of_attributes += [(part.name, part.attributes, part.bytes) for part in summary.edge_tables]
    for title, described, files in of_attributes:
        for name, what in described.items():
            content, _ = layout.attribute_files(name)
            attributes.add_row(f"{title}.{name}", escape(what), _bytes(files[content]))
    for grid in (tables, links, _edge_tables(summary), attributes):
        if grid.row_count:
            out.print(grid)
    by_part: dict[str, int] = {}
    sizes = [part.bytes for part in summary.tables] + [part.bytes for part in summary.links]
    for files in sizes + [part.bytes for part in summary.edge_tables]:
        for name, size in files.items():
            by_part[name] = by_part.get(name, 0) + size
    parts = ", ".join(f"{name} {_bytes(size)}" for name, size in sorted(by_part.items(), key=lambda p: -p[1]))
    out.print(f"{_bytes(summary.total_bytes)} in all: {parts}", highlight=False)
    out.print(_numbers(summary), highlight=False)
    out.print(
        f"links and times: {_per_edge(summary.bytes_per_edge)} bytes an edge and direction", highlight=False
    )


def _edge_tables(summary: StoreSummary) -> Grid:
    grid = Grid(
        "edge table",
        "between",
        "edges",
        "left out",
        "from",
        "to",
        "never",
        "delayed",
        "weight",
        "mean and max degree",
        "bytes",
    )
    for edges in summary.edge_tables:
        left_out = {"null": edges.nulls, "dangling": edges.dangling}
        degrees = [
            f"{direction} {mean:.1f}, {edges.degree_max[direction]:,}"
            for direction, mean in edges.degree_mean.items()
        ]
        grid.add_row(
            edges.name,
            f"{edges.src} → {edges.dst}",
            f"{edges.edges:,}",
            ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count) or "–",
            _time(edges.oldest_time),
            _time(edges.newest_time),
            f"{edges.null_times:,}",
            f"{edges.delayed:,}",
            _weight(edges),
            "; ".join(degrees),
            _bytes(sum(edges.bytes.values())),
        )
    return grid


def _numbers(summary: StoreSummary) -> str:
    """How numbers are kept, and of which columns some are not."""
    lost = [
        f"{table.name}.{column} {count:,}"
        for table in summary.tables
        for column, count in table.out_of_range.items()
        if count
    ]
    return f"numbers are {summary.precision}" + (f"; out of its range: {', '.join(lost)}" if lost else "")


def _show_metrics(result: TrainingResult) -> None:
    baselines = {name: None for split in result.baselines.values() for name in split}
    grid = Grid("", "model", *baselines)
    for split, metrics in result.metrics.items():
        for metric, value in metrics.items():
            others = (result.baselines[split][name][metric] for name in baselines)
            grid.add_row(f"{split} {metric}", f"[bold]{value:.4f}", *(f"{other:.4f}" for other in others))
    out.print(grid)


def _order(table: TableSummary) -> str:
    """The order of a table's records and how many rows a block holds in it, and in those not chosen."""
    if not table.rows_per_block:
        return table.record_order
    tried = dict(sorted(table.rows_per_block.items(), key=lambda order: order[0] != table.record_order))
    return ", ".join(f"{name} {rows:.2f}" for name, rows in tried.items()) + " rows a block"


def _time(micros: int | None) -> str:
    return "–" if micros is None else format_time(micros)


def _weight(link: LinkSummary | EdgeTableSummary) -> str:
    if link.weight is None:
        return "–"
    return f"{link.weight} ({link.null_weights:,} null)" if link.null_weights else link.weight


def _bits(by_array: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {bits:.3g}" for name, bits in by_array.items())


def _per_edge(size: float | None) -> str:
    return "–" if size is None else f"{size:.2f}"


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
