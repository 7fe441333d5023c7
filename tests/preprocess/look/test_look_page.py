"""The page that shows a cache: what it says, what it may not load, and whether a browser draws it."""

import base64
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces.cache.reader import Cache
from faces.factors import Categories
from faces.labels import LabelSet
from preprocess.look.command import LookSettings, look
from preprocess.look.duplicates import NEAR
from preprocess.look.gallery import MOST
from preprocess.look.page import MOST_REASONS
from preprocess.look.survey import survey_crops
from tests.helpers.shown import LOST, SIZE, Page, fields, page_of, write

SECTIONS = {
    *("overview", "settings", "counts", "classes", "spreads", "framing", "random", "fallbacks", "several"),
    *("least-true", "tightest", "tiny"),
    *("blurred", "darkest", "brightest", "lowest-scores", "rejects", "same-files", "look-alikes"),
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """30 faces, of which the last two show several; 5 fallbacks, 3 rejected photos."""
    rows = [fields(n, score=0.5 + n / 100, detector=("mtcnn", "yunet")[n % 2]) for n in range(28)]
    rows += [fields(n, faces=n - 26) for n in (28, 29)]
    rows += [fields(n, **LOST) for n in range(30, 35)]
    rows += [fields(n, status="rejected", reason="empty" if n < 37 else "no image") for n in range(35, 38)]
    cache = write(tmp_path_factory.mktemp("mixed") / "cache", rows)
    header = "line,path,person,column,before,after,photos,why\n"
    (cache.folder / "corrections.csv").write_text(header + "2,,p1,gender,male,female,7,a typing error\n")
    return cache


@pytest.fixture(scope="module")
def page(mixed: Cache) -> Page:
    return page_of(mixed)


def test_the_page_has_every_section_once_and_every_link_leads_to_one(page: Page) -> None:
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    assert set(names) >= SECTIONS | {"corrections"}
    assert {a["href"].removeprefix("#") for a in page.every("a")} <= set(names)


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(page: Page) -> None:
    assert not page.every("script") and not page.every("link") and not page.every("iframe")
    assert all(image["src"].startswith("data:image/webp;base64,") for image in page.every("img"))
    assert "http://" not in page.html and "https://" not in page.html and "url(" not in page.html
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    [policy] = [m["content"] for m in page.every("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy


def test_the_numbers_are_the_caches(mixed: Cache, page: Page) -> None:
    assert [page.number(key) for key in ("photos", "crops", "people", "rejected", "fallbacks")] == [
        *("38", "35", "18", "3", "5")
    ]
    # Masks take turns: of 35 photos 12, 12 and 11; lost are the last five, of masks 0 1 2 0 1.
    detection = page.section("overview")
    assert "10 of 12" in detection and "10 of 11" in detection
    counted = re.findall(r'<td class="count">([\d,]+)</td>', page.section("counts").split("</table>")[0])
    codes = mixed.labels("class18")
    assert [int(count) for count in counted] == np.bincount(codes, minlength=18).tolist()


def test_every_picture_is_the_crop_it_is_named_after(mixed: Cache, page: Page) -> None:
    rows = dict(zip(mixed.index["image_id"], range(len(mixed)), strict=True))
    images = page.every("img")
    assert len(images) > len(mixed)
    for image in images:
        data = base64.b64decode(image["src"].split(",")[1])
        shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)
        row = rows[image["alt"].removeprefix("crop of ")]
        assert np.abs(shown - mixed.image(row)).mean() < 8


def test_galleries_hold_the_worst_first(page: Page) -> None:
    scores = re.findall(r"<b title[^>]*>(.*?)</b>", page.section("lowest-scores"))
    assert scores == [f"{0.5 + n / 100:.3f}" for n in range(MOST)]
    assert re.findall(r"<b title[^>]*>(.*?)</b>", page.section("several")) == ["3 faces", "2 faces"]
    assert page.section("fallbacks").count("<img") == 5
    reasons = re.findall(r'<th scope="row">(.*?)</th>', page.section("rejects"))
    assert reasons == ["empty", "no image"]
    assert "a typing error" in page.section("corrections")


def test_how_crops_are_framed_is_shown_by_value_with_the_worst_and_the_turned_ones(tmp_path: Path) -> None:
    tight = {"width": 100, "crop_box": [0.0, 0.0, 100.0, 100.0]}
    rows = [fields(n, mask=0, turned=0, true_pixels=n / 100) for n in range(40, 60)]
    rows += [fields(n, mask=2, turned=0, true_pixels=1.0, **tight) for n in range(20)]
    for n, row in enumerate(rows[20:]):
        row |= {"face_box": [0.0, 0.0, 81.0 + n, 60.0]} if n < 10 else {"turned": 90, "crop_angle": 90.0}
    page = page_of(write(tmp_path / "cache", rows))
    names = re.findall(r'<th scope="row"[^>]*>(.*?)</th>', page.section("framing"))
    told = re.findall(r'<td class="share">(.*?)</td>', page.section("framing"))
    assert names == ["all", "mask wear", "mask normal"] * 2
    assert told == [
        *("10 of 40 under 0.5", "10 of 20 under 0.5", "0 of 20 under 0.5"),
        *("10 of 40 above 0.8", "0 of 20 above 0.8", "10 of 20 above 0.8"),
    ]
    overview = page.section("overview")
    assert "true pixels alone tells mask normal from wear: area under the ROC curve 1.000" in overview
    assert "10 of 20 found faces of mask normal fill their photo" in overview
    shown = {
        key: re.findall(r"<b title[^>]*>(.*?)</b>", page.section(key))
        for key in ("least-true", "tightest", "turned")
    }
    assert shown["least-true"] == [f"{n / 100:.3f}" for n in range(40, 60)]
    assert shown["tightest"] == [f"{0.9 - n / 100:.2f}" for n in range(10)]
    assert shown["turned"] == ["turned by 90°"] * 10


def test_further_faces_are_no_photos_and_are_told_from_the_first(tmp_path: Path) -> None:
    further = fields(0, key="00000000-1", face=1, person="", mask=-1, gender=-1, age=float("nan"))
    page = page_of(write(tmp_path / "cache", [fields(0, face=0), further]))
    assert (page.number("photos"), page.number("crops")) == ("1", "2")
    labels = re.findall(r'<span class="labels">(.*?)</span>', page.section("random"))
    assert sorted(labels) == ["further face 1 of its photo", "wear · male · 20"]


def test_the_page_depends_on_the_seed_and_on_nothing_else(mixed: Cache, page: Page) -> None:
    assert page_of(mixed).html == page.html
    other = page_of(mixed, seed=1)
    assert other.html != page.html
    assert other.section("blurred") == page.section("blurred")


def test_names_that_hold_html_are_shown_as_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;"
    rows = [
        fields(0, image_id=evil, person=evil, detector=evil, source_sha256="same"),
        fields(1, image_id=evil, person="other", source_sha256="same"),
        fields(2, source=evil, status="rejected", reason=evil),
    ]
    cache = write(tmp_path / "cache", rows)
    (cache.folder / "corrections.csv").write_text(f'line,why\n2,"{evil.replace(chr(34), chr(34) * 2)}"\n')
    page = page_of(cache)
    assert not page.every("script")
    assert not [image for image in page.every("img") if "onerror" in image]
    assert page.text.count(evil) >= 8


def test_of_many_reasons_the_commonest_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    reasons = ["empty"] * 3 + [f"of {n} bytes" for n in range(30)]
    rejects = [fields(n, status="rejected", reason=why) for n, why in enumerate(reasons, 1)]
    shown = page_of(write(tmp_path / "cache", [fields(0), *rejects])).section("rejects")
    names = re.findall(r'<th scope="row">(.*?)</th>', shown)
    assert names[0] == "empty" and names[-1] == f"{31 - MOST_REASONS} other reasons"
    assert sum(map(int, re.findall(r'<td class="count">(.*?)</td>', shown))) == 33
    assert re.findall(r"<td>people/(\d+).jpg</td>", shown)[:4] == ["1", "2", "3", "4"]


ODD = {
    "one crop": [fields(0)],
    "one fallback": [fields(0, **LOST)],
    "no labels": [fields(n, person="", mask=-1, gender=-1, age=float("nan")) for n in range(3)],
    "no faces and a reject": [
        *[fields(n, **LOST) for n in range(2)],
        fields(2, status="rejected", reason="x", age=float("nan"), source_sha256=""),
    ],
    "boxes outside of crop and photo": [fields(0, face_box=[-900.0, -900.0, -800.0, -800.0])],
}


@pytest.mark.parametrize("rows", ODD.values(), ids=ODD)
def test_what_is_missing_is_said_and_not_shown_as_a_number(
    tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    page = page_of(write(tmp_path / "cache", rows))
    assert {attributes.get("id") for _, attributes in page.tags} >= SECTIONS
    assert not re.search(r"\b(nan|None|inf|NaN|NaT)\b", page.text.replace("None.", ""))
    assert page.number("crops") == str(sum("reason" not in row for row in rows))


def test_caches_without_boxes_scores_and_people_have_a_page_too(coloured: Cache, unseen: Cache) -> None:
    known, unknown = page_of(coloured), page_of(unseen)
    assert known.number("people") == "24" and known.number("fallbacks") == "1"
    assert "3 crops each" in known.text
    assert unknown.number("people") == "–" and unknown.number("rejected") == "2"
    assert "Whose photos these are is not known." in unknown.text
    assert "Not recorded in this cache." in unknown.section("several")
    assert not unknown.every("polygon") and not re.search(r"\bnan\b", unknown.text)


def test_a_face_box_is_drawn_where_the_crop_shows_it(tmp_path: Path) -> None:
    page = page_of(write(tmp_path / "cache", [fields(0)]))
    # The crop shows x 50 to 150 and y 0 to 100 of the photo, so 75 is a quarter across.
    assert {p["points"] for p in page.every("polygon")} == {"25.0,25.0 75.0,25.0 75.0,65.0 25.0,65.0"}
    assert (page.every("circle")[0]["cx"], page.every("circle")[0]["cy"]) == ("40.0", "40.0")


def test_a_photo_saved_again_under_another_name_is_shown_beside_the_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)) for _ in range(3)]
    crops = [np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for image in coarse]
    buffer = io.BytesIO()
    Image.fromarray(crops[0]).save(buffer, "JPEG", quality=50)
    crops.append(np.asarray(Image.open(buffer).convert("RGB")))
    cache = write(tmp_path / "cache", [fields(n, person=f"p{n}", age=40) for n in range(4)], crops)
    hashes = survey_crops(cache).hashes
    assert np.bitwise_count(hashes[0] ^ hashes[3]) <= NEAR < np.bitwise_count(hashes[1:3] ^ hashes[0]).min()
    page = page_of(cache)
    shown = re.findall(r'alt="crop of (.*?)"', page.section("look-alikes"))
    assert shown == ["people/0.jpg", "people/3.jpg"]
    assert "1 pair of crops" in page.text and "<b>labels differ</b>" in page.section("look-alikes")


def test_the_command_writes_the_page_where_it_is_told_to(
    mixed: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "page.html"
    look(LookSettings(cache=mixed.folder, out=out, seed=1))
    assert f"wrote {out}" in capsys.readouterr().out
    assert out.read_text() == page_of(mixed, seed=1).html
    with pytest.raises(ValueError, match="no such cache"):
        look(LookSettings(cache=tmp_path / "nothing", out=out))


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Counts, once drawn: pictures that did not decode, faces that lie over their crop, and overflow to the side.
PROBE = """<script>addEventListener("load", () => {
  const images = [...document.images], body = document.documentElement;
  const inside = svg => {
    const box = svg.querySelector("polygon").getBoundingClientRect();
    const crop = svg.parentElement.getBoundingClientRect();
    return box.left >= crop.left && box.right <= crop.right && box.width > crop.width / 4;
  };
  body.dataset.broken = images.filter(image => image.naturalWidth === 0).length;
  body.dataset.drawn = images.filter(image => image.clientWidth > 60).length;
  body.dataset.faces = [...document.querySelectorAll(".crop svg")].filter(inside).length;
  body.dataset.wide = body.scrollWidth - body.clientWidth;
  body.dataset.beside = document.querySelector("nav").getBoundingClientRect().right
    <= document.querySelector("main").getBoundingClientRect().left;
})</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium on the PATH to open the page in")
@pytest.mark.parametrize(("width", "beside"), [(1280, "true"), (400, "false")])
def test_a_browser_draws_every_picture_and_nothing_sticks_out(
    page: Page, tmp_path: Path, width: int, beside: str
) -> None:
    images = len(page.every("img"))
    assert opened(page, tmp_path, width) == {
        "broken": "0",
        "drawn": str(images),
        "faces": str(len(page.every("polygon")) // 2),
        "wide": "0",
        "beside": beside,
    }


@pytest.mark.skipif(BROWSER is None, reason="no chromium on the PATH to open the page in")
@pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.slow), 400])
def test_long_names_of_factors_and_values_stick_out_nowhere(tmp_path: Path, width: int) -> None:
    factors = [
        Categories(name=f"is_it_{n}_of_a_long_name", categories=("yes", "no, but nearly " * 4))
        for n in range(6)
    ]
    rows = [fields(n, **{factor.name: n % 2 for factor in factors}) for n in range(4)]
    page = page_of(write(tmp_path / "cache", rows, labels=LabelSet(name="long", factors=tuple(factors))))
    assert opened(page, tmp_path, width)["wide"] == "0"


RUNS = 'document.documentElement.dataset.pwned="yes"'
HOSTILE = f"""</style></title></svg></textarea><!-- --><script>{RUNS}</script>"'><img src=x onerror='{RUNS}'>
<a id=x href="javascript:{RUNS}">{{{{ 7 * 7 }}}}{{% raw %}}</a>" onmouseover="{RUNS}"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium on the PATH to open the page in")
def test_no_name_runs_in_a_browser(tmp_path: Path) -> None:
    """Of a photo, a folder, a person, a detector, a value, a correction; without the page's policy, too."""
    factor = Categories(name="kind", categories=(HOSTILE.replace(":", ""), "other"))
    rows = [
        fields(n, kind=n % 2, image_id=f"{HOSTILE}/{n}", person=HOSTILE, detector=HOSTILE, split=HOSTILE)
        for n in range(3)
    ]
    rows.append(fields(3, source=HOSTILE, status="rejected", reason=HOSTILE))
    # A folder's name has no slash.
    cache = write(
        tmp_path / HOSTILE.replace("/", "")[:80], rows, labels=LabelSet(name="a", factors=(factor,))
    )
    (cache.folder / "corrections.csv").write_text(
        f"{RUNS.replace(chr(34), '')},why\n2,<script>{RUNS}</script>\n"
    )
    page = page_of(cache)
    assert "pwned" not in opened(page, tmp_path, 1280)
    page.html = page.html.replace("</main>", f"<script>{RUNS}</script></main>")
    assert opened(page, tmp_path, 1280)["pwned"] == "yes", "the browser would tell"


def opened(page: Page, tmp_path: Path, width: int) -> dict[str, str]:
    """What `PROBE` finds in the page as a browser draws it at this width."""
    probed = re.sub(r"<meta http-equiv=[^>]*>", "", page.html).replace("</body>", PROBE)
    (tmp_path / "page.html").write_text(probed)
    switches = ["headless", "no-sandbox", "disable-gpu", "disable-background-networking", "no-first-run"]
    switches += ["disable-component-update", "disable-sync", "virtual-time-budget=5000", "dump-dom"]
    switches += [f"user-data-dir={tmp_path / 'profile'}", f"window-size={width},900"]
    command = [BROWSER, *(f"--{switch}" for switch in switches), (tmp_path / "page.html").as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return dict(re.findall(r'data-(\w+)="(\w+)"', dom[: dom.index("<head")]))
