"""The page in a real browser: photos open by clicks and keys, and nothing is asked of elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from report import command
from tests.helpers.coloured import write_coloured
from tests.helpers.runs.fold_runs import write_runs
from train.engine.compute import PredictCompute

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason="needs Chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page on one fold."""
    folder = tmp_path_factory.mktemp("browsed")
    cache = write_coloured(folder / "caches" / "people", people=12)
    run = write_runs(folder / "runs", cache, "three", folds=[0], skill=1.0) / "fold0"
    command.run(command.ReportSettings(run=run, compute=PredictCompute(device="cpu", threads=1)))
    return (run / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, of whose script nothing may fail and which asks for nothing but itself."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
    page.goto(address)
    yield page
    assert {url for url in asked if not url.startswith("data:")} == {address}
    assert failed == []
    page.close()


def test_an_error_is_two_clicks_away_and_a_third_shows_its_person(page: Page) -> None:
    cell = page.locator(".matrix td.wrong button").first
    count = int(cell.inner_text())
    cell.click()
    tiles = page.locator("#viewer .tile")
    assert tiles.count() == count and page.locator("#viewer").is_visible()
    really, answered = cell.get_attribute("data-t"), cell.get_attribute("data-g")
    assert really != answered
    name = tiles.first.locator("img").get_attribute("alt")
    tiles.first.click()
    assert page.locator("#viewer .one img").get_attribute("alt") == name
    assert page.locator("#viewer .one .bad").count() >= 1
    assert name == f"crop of {page.locator('#viewer-title').inner_text()}"
    page.get_by_role("button", name="photos of this person").click()
    assert tiles.count() == 3  # as many as each person has


def test_photos_are_reached_by_keys(page: Page) -> None:
    page.locator("#uncertain .tile").first.focus()
    page.keyboard.press("Enter")
    title = page.locator("#viewer-title")
    first = title.inner_text()
    page.keyboard.press("ArrowRight")
    assert title.inner_text() != first
    page.keyboard.press("ArrowLeft")
    assert title.inner_text() == first
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()


def test_points_are_coloured_as_asked_and_open_their_photo(page: Page) -> None:
    points = page.locator("#plane circle")
    before = {points.nth(at).get_attribute("fill") for at in range(points.count())}
    page.locator("#colouring").select_option("mask, by the labels")
    assert {points.nth(at).get_attribute("fill") for at in range(points.count())} != before
    shown = [int(text.rpartition("(")[2][:-1]) for text in page.locator("#legend li").all_inner_texts()]
    assert len(shown) == 3 and sum(shown) == points.count() > 0
    points.first.focus()
    page.keyboard.press("Enter")
    assert points.first.get_attribute("aria-label").startswith(page.locator("#viewer-title").inner_text())


def test_nothing_sticks_out_by_day_and_by_night(page: Page) -> None:
    backgrounds = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        for width in (1280, 1100, 900, 400):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            cut = "[...document.querySelectorAll('#slices .card')].filter(e => e.scrollWidth > e.clientWidth)"
            assert width == 400 or page.evaluate(f"{cut}.length") == 0
    assert len(backgrounds) == 2
    page.locator(".matrix td button").first.click()
    assert page.evaluate("document.getElementById('viewer').scrollWidth") <= 400
