"""A page as one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any


def render(package: str, template: str, content: Mapping[str, Any], script: str = "") -> str:
    """A page as HTML; the same arguments give the same text.

    Args:
        package: whose folder holds the template, such as `report`.
        template: its file name; it extends `page.html.j2` and may import `parts.html.j2`, both of this
            room. What it shows is escaped.
        content: what the template names; a name that is missing is an error.
        script: JavaScript that runs in the page; nothing else may, by the page's Content-Security-Policy.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("faces.pages", "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        {**content, "script": script, "script_hash": f"sha256-{digest}"}
    )
