"""errors.csv: every photo that was answered wrongly, for a table program."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from faces.photos.names import path_cell
from report.answers import Answers


def errors_csv(answers: Answers) -> bytes:
    """A row for each photo of which any factor is answered wrongly, the most confident error first.

    Columns ImageID (in a cell that is no formula), person, fold, for each factor `<factor> true`, `<factor>
    answered` and `<factor> probability` of what was answered, `wrong` (the factors that are), `probability`
    of the answer as a whole and `probability of true`.
    """
    places = np.flatnonzero(answers.wrong)
    places = places[np.argsort(-answers.confidence[places], kind="stable")]
    photos = answers.photos.iloc[places]
    table = pd.DataFrame(
        {
            "ImageID": [path_cell(name) for name in photos["image_id"].astype(str)],
            "person": [path_cell(name) for name in photos["person"].astype(str)],
            "fold": photos["fold"].to_numpy(),
        }
    )
    wrong = np.full(len(places), "", object)
    for name, values, true, answered, shares in zip(
        answers.names,
        answers.values,
        answers.true_parts,
        answers.answered_parts,
        answers.shares,
        strict=True,
    ):
        words = np.array(values)
        table[f"{name} true"] = words[true[places]]
        table[f"{name} answered"] = words[answered[places]]
        table[f"{name} probability"] = [f"{p:.4f}" for p in shares[places, answered[places]]]
        differs = true[places] != answered[places]
        wrong[differs] = [f"{before} {name}".strip() for before in wrong[differs]]
    table["wrong"] = wrong
    table["probability"] = [f"{p:.4f}" for p in answers.confidence[places]]
    given = answers.verdict.probabilities[places, answers.truth[places]]
    table["probability of true"] = [f"{p:.4f}" for p in given]
    buffer = io.StringIO()
    table.to_csv(buffer, index=False)
    return buffer.getvalue().encode()
