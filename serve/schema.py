"""The JSON that the service answers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from infer.export.program.predictor import Told
from serve.photo.model import Seen

Status = Literal["detected", "fallback", "refused"]


class FactorAnswer(BaseModel):
    """What is answered of one factor, such as mask."""

    word: str = Field(description="The value answered.")
    probability: float = Field(description="Of that value, 0 to 1.")
    probabilities: dict[str, float] = Field(description="Of each value; they sum to 1.")


class FaceAnswer(BaseModel):
    """One face."""

    box: tuple[float, float, float, float] | None = Field(
        description="Left, top, right, bottom in pixels of the upright photo, which it may reach beyond; "
        "null where no face was found and the middle of the photo is answered."
    )
    answers: dict[str, FactorAnswer] = Field(description="By factor, in the model's order.")


class PhotoAnswer(BaseModel):
    """One photo of the request, in its place."""

    status: Status = Field(
        description="detected; fallback: no face was found, and what is answered is the photo's middle; "
        "refused: see code and reason."
    )
    code: int = Field(default=200, description="What the status code were, had the photo been alone.")
    reason: str = Field(default="", description="Why it is refused, or that no face was found.")
    width: int = Field(default=0, description="Pixels of the upright photo.")
    height: int = 0
    found: int = Field(default=0, description="Faces found.")
    faces: list[FaceAnswer] = Field(
        default=[], description="First the face that the photo is about: large, central and certain."
    )


class ModelCard(BaseModel):
    """Who answers."""

    name: str
    drawn: bool = Field(description="Whether the networks learned from drawn people.")
    note: str = Field(description="What is to be known of every answer; of drawn people.")
    factors: dict[str, list[str]] = Field(description="The values of each factor.")
    explains: bool = Field(description="Whether /explain is offered.")
    not_for: str = Field(description="What it must not be used for.")


class Prediction(BaseModel):
    """The answer to a request."""

    model: str
    drawn: bool = Field(description="Whether the networks learned from drawn people.")
    note: str = Field(description="What is to be known of every answer; of drawn people.")
    photos: list[PhotoAnswer]


class Problem(BaseModel):
    """Why a request is refused."""

    code: int
    reason: str


class Health(BaseModel):
    """That the service works."""

    status: Literal["ok"] = "ok"
    model: str
    waiting: int = Field(description="Photos on their way.")


NO_FACE = "no face was found; the middle of the photo is answered, which is worth little"


def photo_answer(seen: Seen, told: list[dict[str, Told]]) -> PhotoAnswer:
    """A photo's answer from what was found in it and what the networks tell of each crop."""
    faces = [
        FaceAnswer(box=cut.box, answers={factor: _factor(one) for factor, one in each.items()})
        for cut, each in zip(seen.cuts, told, strict=True)
    ]
    return PhotoAnswer(
        status="detected" if seen.faces else "fallback",
        reason="" if seen.faces else NO_FACE,
        width=seen.width,
        height=seen.height,
        found=seen.faces,
        faces=faces,
    )


def _factor(told: Told) -> FactorAnswer:
    shares = [round(float(share), 4) for share in told.probabilities]
    return FactorAnswer(
        word=told.values[told.place],
        probability=shares[told.place],
        probabilities=dict(zip(told.values, shares, strict=True)),
    )
