"""The page that asks, and what keeps each answer before the next is asked."""

from __future__ import annotations

import threading
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from starlette.middleware.trustedhost import TrustedHostMiddleware

from report.audit.confirm.page import render_confirm
from report.audit.confirm.questions import photos_of, questions_of
from report.audit.folder import CHANGE, KEEP, Audit, is_decision, next_lines, read_decisions, save_decisions

HOST: Final = "127.0.0.1"


class Decision(BaseModel):
    """What a person says of one suggestion."""

    number: int
    decision: str | None
    """keep, change, unknown or another value of the factor; None takes the last word back."""


def ours(x_audit: Annotated[str, Header()] = "") -> None:
    """Refuse what another site's page sends: a browser lets none add a header without being asked first."""
    if not x_audit:
        raise HTTPException(403, "the header X-Audit is missing")


def app_of(audit: Audit) -> FastAPI:
    """The page of an audit, for one person on this machine.

    Raises:
        ValueError: decisions.csv cannot be read.
    """
    decisions = read_decisions(audit)
    questions = questions_of(audit)
    factors = {each["number"]: each["factor"] for each in questions}
    swaps = {each["number"] for each in questions if each["kind"] == "swap"}
    page = render_confirm(audit, questions)
    writing = threading.Lock()
    app = FastAPI(title="label audit", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])

    @app.get("/", response_class=HTMLResponse)
    def show() -> str:
        return page

    @app.get("/state")
    def state() -> dict[str, Any]:
        lines = next_lines(audit.folder, audit.cache, audit.card.data)
        return {"questions": questions, "decisions": [*decisions.items()], "next": lines}

    @app.get("/photos/{number}")
    def photos(number: int) -> list[dict[str, str]]:
        try:
            return photos_of(audit, number)
        except KeyError as error:
            raise HTTPException(404, f"no suggestion {number}") from error

    @app.post("/decisions", dependencies=[Depends(ours)])
    def decide(made: Decision) -> dict[str, int]:
        known = made.number in factors
        if not known or not _fits(made, factors[made.number], made.number in swaps, audit):
            raise HTTPException(422, f"{made.number}, {made.decision!r}: decides on no suggestion")
        with writing:
            after = {number: said for number, said in decisions.items() if number != made.number}
            if made.decision is not None:
                after[made.number] = made.decision
            # The disk first: what cannot be saved is not decided.
            save_decisions(audit, after)
            decisions.clear()
            decisions.update(after)
        return {"decided": len(decisions)}

    return app


def _fits(made: Decision, factor: str, swap: bool, audit: Audit) -> bool:
    if made.decision is None:
        return True
    return made.decision in (KEEP, CHANGE) if swap else is_decision(made.decision, factor, audit.cache)
