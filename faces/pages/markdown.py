"""Cards: Markdown from a template, in which no name of a file or label means anything."""

from __future__ import annotations


def render_markdown(package: str, template: str, **shown: object) -> str:
    """A template of a package as Markdown; its filter `cell` makes a value one line of text.

    Args:
        package: that holds the template.
        template: the file's name.
        shown: what the template names; a name that is missing is an error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package, ""), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = cell
    return environment.get_template(template).render(shown)


def cell(text: object) -> str:
    """A value as text in a line or a table's cell of Markdown: one line, in which no |, < or \\ acts."""
    return " ".join(str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())
