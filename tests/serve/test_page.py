"""The page in a real browser: what is chosen, dropped, pasted or seen by a camera is answered."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from serve.app import make_app
from serve.limits import Limits
from serve.work import make_service
from tests.helpers.pictures import picture
from tests.infer.export.test_predictor_damage import DESCRIPTION
from tests.serve.conftest import PAIR, PORTRAIT, listening, png, written

pytestmark = pytest.mark.slow
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
GIVEN = """([data, how]) => {
  const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], "a.png", { type: "image/png" }));
  const event = how === "drop"
    ? new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: given, bubbles: true });
  document.body.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", *CAMERA]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(searching: Path) -> Iterator[str]:
    with listening(lambda: make_app(make_service(searching, Limits()))) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 400, "height": 800}, permissions=["camera"])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith((address, "blob:")) or complaints.append(asked.url))
    page.goto(address)
    expect(page.locator("#who")).to_contain_text("hats looks at a face")
    yield page
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 400, "nothing is wider than a phone"
    context.close()
    assert not [each for each in complaints if "status of 4" not in each]


def chosen(page: Page, *photos: bytes) -> None:
    files = [{"name": "a.png", "mimeType": "image/png", "buffer": photo} for photo in photos]
    page.locator("#files").set_input_files(files)  # type: ignore[arg-type]


def test_a_photo_that_is_chosen_is_answered_with_its_box_and_bars(page: Page) -> None:
    chosen(page, png(PORTRAIT))
    expect(page.locator(".photo h2")).to_have_text("One face")
    rows = page.locator(".factor .bars tr")
    expect(rows).to_have_count(2)
    shares = [int(text.split()[0]) for text in page.locator(".bars .count").all_text_contents()]
    assert abs(sum(shares) - 100) <= 1
    widths = [
        float(each)
        for each in page.locator(".bars i").evaluate_all("all => all.map(e => parseFloat(e.style.width))")
    ]
    assert [round(width) for width in widths] == shares
    assert "face 1" in (page.locator(".photo canvas").get_attribute("aria-label") or "")
    amber = (
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data.entries()]"
        ".filter(([k, v]) => k % 4 == 0 && v == 255).length"
    )
    assert page.locator(".photo canvas").evaluate(amber) > 100, "no box is drawn"


def test_faces_are_told_apart_by_keyboard(page: Page) -> None:
    chosen(page, png(PAIR))
    expect(page.locator(".photo h2")).to_have_text("2 faces")
    second = page.get_by_role("button", name="Face 2")
    second.focus()
    page.keyboard.press("Enter")
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Face 1")).to_have_attribute("aria-pressed", "false")
    assert page.get_by_role("button", name="Face ").count() == 2


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_photo_that_is_dropped_or_pasted_is_answered(page: Page, how: str) -> None:
    page.evaluate(GIVEN, [base64.b64encode(png(PORTRAIT)).decode(), how])
    expect(page.locator(".photo h2")).to_have_text("One face")
    assert page.locator(".photo").count() == 1


def test_no_face_and_no_photo_are_said_so(page: Page) -> None:
    chosen(page, png(picture(90, 70)), b"hello")
    expect(page.locator(".photo h2").nth(1)).to_have_text("No face found")
    expect(page.locator(".photo h2").nth(0)).to_have_text("Not answered")
    expect(page.locator(".photo").nth(0)).to_contain_text("text file")
    assert page.locator(".photo").count() == 2
    chosen(page, b"hello")
    expect(page.locator("#state")).to_contain_text("This photo is not answered: no photo but a text file")


def test_the_camera_is_used_and_let_go(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#live")).to_be_visible()
    page.keyboard.press("Enter")  # the button that has the focus takes the photo
    expect(page.locator(".photo h2")).to_have_text("No face found")  # the fake camera shows none
    page.keyboard.press("Escape")
    expect(page.locator("#live")).to_be_hidden()
    assert page.evaluate("document.getElementById('live').srcObject") is None


def test_what_it_is_not_for_is_always_there_and_drawings_are_told(
    browser: Browser, page: Page, tmp_path: Path
) -> None:
    expect(page.locator("#notfor")).to_contain_text("Not for decisions about people")
    expect(page.locator("#drawn")).to_be_hidden()
    drawn = written(tmp_path / "drawn", {**DESCRIPTION, "drawn": True})
    with listening(lambda: make_app(make_service(drawn, Limits()))) as port:
        other = browser.new_page()
        other.goto(f"http://127.0.0.1:{port}/")
        expect(other.locator("#drawn")).to_contain_text("learned from drawings")
        expect(other.locator("#drawn")).to_be_visible()
        assert page.locator("#notfor").inner_text() == other.locator("#notfor").inner_text()
        other.close()
