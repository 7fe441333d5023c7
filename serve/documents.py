"""The service's documentation as one page: made of its OpenAPI description, with nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="page.css">
<link rel="stylesheet" href="photo.css">
</head>
<body class="plain documentation">
<main>
<h1>{title}</h1>
<p>{about}</p>
<p>The same for programs: <a href="openapi.json">openapi.json</a>. <a href=".">Back to the page.</a></p>
"""
EXAMPLE = """<h2>Example</h2>
<pre><code>curl -F photos=@a.jpg -F photos=@b.jpg 'http://127.0.0.1:8000/predict?faces=all'</code></pre>
"""


def documentation(described: Mapping[str, Any]) -> str:
    """The page.

    Args:
        described: the OpenAPI description, as FastAPI makes it.
    """
    info = described["info"]
    parts = [HEAD.format(title=escape(info["title"]), about=escape(info["description"])), EXAMPLE]
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            parts.append(_operation(f"{method.upper()} {path}", told))
    parts.append("<h2>Answers</h2>\n")
    parts += [_schema(name, told) for name, told in described["components"]["schemas"].items()]
    return "".join([*parts, "</main>\n</body>\n</html>\n"])


def _operation(title: str, told: Mapping[str, Any]) -> str:
    rows = [
        (f"{each['name']} ({each['in']})", f"{each.get('description', '')} {_kind(each['schema'])}")
        for each in told.get("parameters", [])
    ]
    rows += [(code, answer["description"]) for code, answer in told["responses"].items()]
    about = escape(told.get("description", told["summary"]))
    return f"<h2><code>{escape(title)}</code></h2>\n<p>{about}</p>\n{_table(rows)}"


def _schema(name: str, told: Mapping[str, Any]) -> str:
    rows = [
        (field, f"{_kind(each)} {each.get('description', '')}")
        for field, each in told.get("properties", {}).items()
    ]
    return f"<h3>{escape(name)}</h3>\n<p>{escape(told.get('description', ''))}</p>\n{_table(rows)}"


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th scope=row>{escape(a)}<td>{escape(b)}\n" for a, b in rows)
    return f"<div class='card scroll'><table class='lines'>{cells}</table></div>\n"


def _kind(schema: Mapping[str, Any]) -> str:
    """The type of a value, in brackets."""
    if "enum" in schema:
        return f"({' | '.join(map(str, schema['enum']))})"
    if "$ref" in schema:
        return f"({schema['$ref'].rpartition('/')[2]})"
    if schema.get("type") == "array" and "items" in schema:
        return f"(list of {_kind(schema['items']).strip('()')})"
    kind = schema.get("type") or json.dumps(schema.get("const", ""))
    return f"({kind})" if kind != '""' else ""
