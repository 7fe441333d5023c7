"""`python -m preprocess.labels --data DIR`: what photos may be labelled with, as a label file to confirm."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from faces.command import run_command, typed
from faces.labelling.kept import labels_text
from preprocess.settings import Columns
from preprocess.sources.scan import propose_labels


@dataclass(frozen=True, kw_only=True)
class LabelsSettings:
    """Proposes a label file for a source: what its columns, folders or objects tell.

    Correct it: the order of values, words for them, edges of numbers, and what is no label. Then it is given
    to `preprocess` as `--labels`, or lies as labels.toml beside the photos. Nothing is taken without it.

    Example: make labels DATA=path/to/photos
    """

    data: Path
    """Folder of photos, or a table (.csv, .tsv, .txt or .parquet), as for `preprocess`."""
    columns: Columns = field(default_factory=Columns)
    """Names of the columns, where `data` is a table."""
    out: Path | None = None
    """File to write; printed alone when this is not given."""


def propose(settings: LabelsSettings) -> None:
    """Print a label file, and write it where one is named.

    Raises:
        ValueError: the file is there already, or nothing in the source may be a label.
    """
    if settings.out and settings.out.exists():
        raise ValueError(f"{settings.out}: is there already; name another file, or remove it")
    proposed, left_out = propose_labels(settings.data, settings.columns)
    if proposed is None:
        raise ValueError(
            f"data={settings.data}: no column, folder or object that may be a label; put photos into a "
            "folder for each class, or list them in a table (docs/layouts.md)"
        )
    text = labels_text(proposed) + "".join(f"# not proposed: {line}\n" for line in left_out)
    print(text, end="")
    if settings.out:
        settings.out.write_text(text, encoding="utf-8")
        print(
            f"# written to {settings.out}: correct it, then make preprocess ... LABELS={typed(settings.out)}"
        )


def main() -> None:
    """The command line."""
    run_command(LabelsSettings, propose)


if __name__ == "__main__":
    main()
