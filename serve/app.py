"""The service's addresses: what is asked, and what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import faces.pages
from faces.sample.note import drawn_note
from serve.documents import documentation
from serve.limits import REASONS, Refusal
from serve.schema import Health, ModelCard, Prediction, Problem
from serve.service import Service
from serve.upload import FIELD, FORM

PAGE = Path(__file__).with_name("page")
STYLE = Path(faces.pages.__file__).with_name("page.css")
NOT_FOR = (
    "Not for decisions about people: not for access, hiring, policing, medicine or law, and not to tell who "
    "somebody is. What is shown is how a face looks to a network, which is often wrong."
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Of every answer: nothing from elsewhere is loaded, nothing is kept, and no other page may show this one."""
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": reason} for code, reason in REASONS.items() if code != 404
}
NOT_OFFERED: dict[str, Any] = {"model": Problem, "description": REASONS[404]}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            }
        },
    }
}
Faces = Annotated[
    Literal["all", "best"], Query(description="Every face, or the one alone that the photo is about.")
]
Factor = Annotated[str, Query(description="What is explained, such as mask.")]
Face = Annotated[int, Query(description="Which face, 0 for the one that the photo is about.")]
PATHS = ("/", "/predict", "/explain", "/model", "/health", "/metrics", "/docs", "/openapi.json")
"""What requests are counted by; all others are counted together."""


class Guarded:
    """The app, with `HEADERS` in each answer, each counted.

    Args:
        app: what answers.
        service: whose metrics count.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
                path = scope["path"] if scope["path"] in PATHS else "other"
                self._service.metrics.requests.labels(path, message["status"]).inc()
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)


def make_app(service: Service) -> FastAPI:
    """The service as an application that uvicorn runs."""

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="FaceFold",
        description=f"Photos in, answers out, by {service.model.name}. Nothing is stored. {NOT_FOR}",
        lifespan=living,
        docs_url=None,  # both would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.add_middleware(Guarded, service=service)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    _add_answers(app, service)
    _add_page(app)
    _add_state(app, service)
    return app


def _add_answers(app: FastAPI, service: Service) -> None:
    @app.post("/predict", responses=PROBLEMS, openapi_extra=BODY, response_description="answered")
    async def predict(request: Request, faces: Faces = "all") -> Prediction:
        """Answer one or many photos, files of the form's field photos. One that cannot be used fails alone,
        with its code and reason in its place; where all do, the request has the code of the first."""
        return await service.predict(request, faces == "all")

    @app.post(
        "/explain",
        responses={**PROBLEMS, 200: {"content": {"image/png": {}}}, 404: NOT_OFFERED},
        response_description="the picture",
        openapi_extra=BODY,
        response_class=Response,
    )
    async def explain(request: Request, factor: Factor, face: Face = 0) -> Response:
        """The crop of a face of one photo, with what speaks for the answer of a factor lit up (Grad-CAM, the
        mean over the ensemble's networks), as PNG."""
        return Response(await service.explain(request, factor, face), media_type="image/png")


def _add_page(app: FastAPI) -> None:
    files = {"/": PAGE / "index.html", "/page.css": STYLE}
    files |= {f"/{name}": PAGE / name for name in ("photo.css", "photo.js", "icon.svg")}
    for path, file in files.items():
        app.add_route(path, partial(_file, file))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(documentation(app.openapi()))


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/model", response_description="the model")
    async def model() -> ModelCard:
        """Who answers, and what for it must not be used."""
        return ModelCard(
            name=service.model.name,
            drawn=service.model.drawn,
            note=drawn_note(service.model.drawn),
            factors=service.model.factors,
            explains=service.explainer is not None,
            not_for=NOT_FOR,
        )

    @app.get("/health", response_description="it works")
    async def health() -> Health:
        """That it works, and how many photos are on their way."""
        return Health(model=service.model.name, waiting=service.answerer.photos)

    @app.get("/metrics", response_class=PlainTextResponse, response_description="counts")
    async def metrics() -> Response:
        """Counts and times for Prometheus; nothing of what photos show."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def _file(file: Path, _: Request) -> FileResponse:
    return FileResponse(file)


async def _refused(_: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, Refusal)
    problem = Problem(code=refusal.code, reason=refusal.reason)
    # Whoever sends too slowly would go on with it.
    close = {"Connection": "close"} if refusal.code == 408 else {}
    retry = {"Retry-After": "1"} if refusal.code == 429 else {}
    return JSONResponse(problem.model_dump(), refusal.code, headers={**close, **retry})


async def _not_understood(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    told = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
    return JSONResponse(Problem(code=422, reason=told).model_dump(), 422)
