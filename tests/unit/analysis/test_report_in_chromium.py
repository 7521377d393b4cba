"""The report in a real browser: no error, sorting, filtering, hovering, keys, a phone, grey paper, a time limit."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from report_examples import HOSTILE, reported_study
from report_sections import study_of_sections

from transfer_atlas.analysis.report.page import write_report

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))  # Debian's
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium: apt-get install chromium"),
]
PAGES = (
    "answers",
    "overview",
    "gains",
    "targets",
    "target-segmentation-camvid",
    "datasets",
    "dataset-camvid",
)
PAGES += ("metrics", "findings", "published", "figures", "reading")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    study = reported_study(tmp_path_factory.mktemp("report"))
    path = study.place / "report.html"
    write_report(study, path)
    return path


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    study = study_of_sections(tmp_path_factory.mktemp("sections"))
    write_report(study, study.place / "report.html")
    return study.place / "report.html"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def opened(browser, page_file, width=1400):
    """A tab without network; anything that the page complains of fails the test."""
    said = []
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    tab = context.new_page()
    tab.set_default_timeout(120_000)
    tab.on(
        "console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None
    )
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
    tab.on("dialog", lambda dialog: (said.append(f"dialog {dialog.message}"), dialog.dismiss()))
    tab.goto(page_file.as_uri())
    tab.wait_for_selector("html[data-ready]", state="attached")
    yield tab
    context.close()
    assert said == []


@pytest.fixture
def tab(browser, page_file):
    with opened(browser, page_file) as tab:
        yield tab


def go(tab, name):
    tab.evaluate("name => { location.hash = name; }", name)
    tab.wait_for_selector(f"#{name}", state="visible")


def test_every_page_shows_itself_alone_and_all_charts_are_drawn(tab):
    assert tab.locator("h1:visible").inner_text() == "Which model should I start from?"
    for name in PAGES:
        go(tab, name)
        assert tab.locator("section.page:visible").count() == 1
        for chart in tab.locator(".vega:visible").all():
            chart.scroll_into_view_if_needed()
            chart.locator("svg").wait_for()
    assert HOSTILE in tab.locator("#target-segmentation-camvid").text_content()  # as text: no dialog came up


@pytest.mark.parametrize("width", [1400, 390])
def test_sections_that_some_studies_have_are_drawn_on_wide_and_narrow_screens(browser, sections, width):
    with opened(browser, sections, width) as tab:
        for name, charts in (("metrics", 5), ("combinations", 4), ("subtasks", 1)):
            go(tab, name)
            drawn = tab.locator(".vega:visible").all()
            assert len(drawn) == charts
            for chart in drawn:
                chart.scroll_into_view_if_needed()
                chart.locator("svg").wait_for()
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
            assert tab.locator("nav a[aria-current]").get_attribute("href") == f"#{name}"
        go(tab, "metrics")
        labels = tab.locator(".vega:visible").nth(3).locator("svg").text_content()
        assert all(re.search(rf"{place}\s+segmentation", labels) for place in range(1, 7))  # none is left out


def test_a_heading_sorts_the_targets_and_the_filter_keeps_some(tab):
    go(tab, "gains")
    rows = tab.locator("table.heat tbody tr th a")
    tab.wait_for_selector("table.heat.dataTable")
    assert rows.all_inner_texts() == ["camvid", "sun"]
    heading = tab.locator("table.heat thead th.turned", has_text="bdd")
    heading.click()
    sync_api.expect(heading).to_have_attribute("aria-sort", "ascending")
    sync_api.expect(rows).to_have_text(["sun", "camvid"])
    heading.locator("[tabindex='0']").press("Enter")
    sync_api.expect(heading).to_have_attribute("aria-sort", "descending")
    sync_api.expect(rows).to_have_text(["camvid", "sun"])
    tab.locator("#gains .dt-search input").first.fill("sun")
    sync_api.expect(rows).to_have_text(["sun"])
    every = tab.locator("table.gains-data tbody tr")
    tab.locator("table.gains-data").scroll_into_view_if_needed()
    every.first.wait_for()
    assert every.count() == 8
    tab.locator("#gains .dt-search input").last.fill("random weights")
    sync_api.expect(every).to_have_count(2)


def test_a_cell_tells_all_about_itself_by_mouse_and_by_keys(tab, page_file):
    go(tab, "gains")
    cell = tab.locator("table.heat button[aria-label*='segmentation/bdd to segmentation/camvid']")
    cell.hover()
    about = tab.locator("#about")
    about.wait_for()
    told = about.inner_text()
    assert "+20.1 %" in told and "13.7 to 26.8 %" in told and "0.603, from ILSVRC 0.502" in told
    links = about.locator("a")
    assert links.count() == 4  # two seeds, and their baselines
    assert (page_file.parent / links.first.get_attribute("href")).resolve().is_file()
    tab.mouse.move(2, 2)
    about.wait_for(state="hidden")
    cell.focus()
    about.wait_for()
    tab.keyboard.press("Enter")
    tab.mouse.move(2, 2)
    assert about.is_visible()  # kept: its links can be reached
    tab.keyboard.press("Escape")
    about.wait_for(state="hidden")


def test_screen_readers_get_the_numbers(tab):
    go(tab, "gains")
    names = [cell.get_attribute("aria-label") for cell in tab.locator("table.heat button[data-cell]").all()]
    assert "segmentation/bdd to segmentation/camvid: +20.1 %, interval 13.7 to 26.8 %" in names
    assert "segmentation/camvid to segmentation/sun: missing" in names
    assert all(tab.locator("table.heat tbody th[scope=row]").nth(row).count() == 1 for row in range(2))
    unnamed = tab.locator(
        "img:not([alt]), figure .vega:not([aria-label]), table:not(:has(caption)):not(.finding table)"
    )
    assert unnamed.count() == 0


def test_a_phone_shows_it_without_scrolling_sideways(browser, page_file):
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    tab.goto(page_file.as_uri())
    tab.wait_for_selector("html[data-ready]", state="attached")
    for name in PAGES:
        go(tab, name)
        tab.wait_for_timeout(200)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, name
    tab.close()


def test_on_paper_all_pages_stand_one_after_another(tab):
    tab.emulate_media(media="print")
    assert tab.locator("section.page:visible").count() == tab.locator("section.page").count() > 10
    assert not tab.locator("header").is_visible()


def test_it_can_be_used_within_two_seconds(tab):
    """Of the processor's time, since the machine may be busy: from the start to the last line of the page's code."""
    session = tab.context.new_cdp_session(tab)
    session.send("Performance.enable")
    counted = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
    assert counted["TaskDuration"] < 2.0
