"""An evaluation as one page."""

from __future__ import annotations

from infer.evaluation_table import Evaluation, sections


def render_page(evaluation: Evaluation) -> str:
    """The page as HTML; it shows evaluation.png from beside it and loads nothing else."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("infer", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("evaluation.html.j2")
    return template.render(evaluation=evaluation, sections=sections(evaluation))
