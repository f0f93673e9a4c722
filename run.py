"""Find actions in long video: files in, tables out."""

import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # CPU threads wait awake but briefly: decoders need the cores

import typer

from commands.backbones import backbones
from commands.bench import bench
from commands.cache import cache_clear, cache_list
from commands.check_annotations import annotations_check
from commands.compact import compact
from commands.demo import demo
from commands.detect import detect
from commands.evaluate import evaluate
from commands.export import export
from commands.families import families
from commands.plan import plan
from commands.query import query
from commands.render import render
from commands.report import report
from commands.settings import settings
from commands.train import train
from commands.visualize import visualize
from commands.weights import weights_fetch, weights_list

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.command()(detect)
app.command()(plan)
app.command()(train)
app.command()(evaluate)
app.command()(export)
app.command()(report)
app.command()(query)
app.command()(compact)
app.command()(render)
app.command()(demo)
app.command()(bench)
app.command()(backbones)
app.command()(families)
app.command()(visualize)
app.command()(settings)

weights_app = typer.Typer(no_args_is_help=True, help="Weights and sample videos that others publish.")
weights_app.command("list")(weights_list)
weights_app.command("fetch")(weights_fetch)
app.add_typer(weights_app, name="weights")

cache_app = typer.Typer(no_args_is_help=True, help="Features of earlier runs, kept for later ones.")
cache_app.command("list")(cache_list)
cache_app.command("clear")(cache_clear)
app.add_typer(cache_app, name="cache")

annotations_app = typer.Typer(no_args_is_help=True, help="Files of labelled spans, to train and to measure on.")
annotations_app.command("check")(annotations_check)
app.add_typer(annotations_app, name="annotations")

if __name__ == "__main__":
    sys.exit(app())
