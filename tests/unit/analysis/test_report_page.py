"""The report as a page: answers first, every gap named, hostile names harmless, one file without the network."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image
from report_examples import HOSTILE, MISSING, reported_study

from transfer_atlas.analysis.atdt.findings import findings_of_atdt
from transfer_atlas.analysis.atdt.tables import evaluations_table, gains_table, results_table
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.answers import answers, next_steps
from transfer_atlas.analysis.report.heat_maps import heat_maps
from transfer_atlas.analysis.report.overview import overview
from transfer_atlas.analysis.report.page import report_as_html
from transfer_atlas.analysis.report.pictures import MOST, budget_of, gallery, panels_of, size_of
from transfer_atlas.analysis.report.targets import target_pages
from transfer_atlas.errors import ConfigurationError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return reported_study(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def html(study):
    return report_as_html(study)


def test_answers_come_first_and_say_how_sure_they_are(study):
    (block,) = answers(study)
    camvid, sun = block["rows"]
    assert camvid["start_from"] == "segmentation/bdd" and camvid["gain"] == "+20.1 %"
    assert camvid["interval"] and camvid["certainty_in_words"] == "decided"
    assert sun["start_from"] == "ILSVRC" and not sun["taken"]
    assert sun["failed"] == 1 and sun["sources"] == 2  # a missing source shrinks nothing silently
    assert "1 of 2 targets" in block["summary"]


def test_one_seed_is_said(tmp_path):
    study = reported_study(tmp_path, seeds=(0,), scores=False)
    assert any("one seed" in step for step in next_steps(study))
    page = report_as_html(study)
    assert "noise is not known" in page and "one seed" in page
    assert 'class="bold"' not in page


def test_failed_and_missing_runs_are_named_with_their_reasons(study):
    told = overview(study)["without_result"]
    assert [row["status"] for row in told] == ["missing", "diverged"]
    assert told[0]["name"].startswith(f"{MISSING['source']} ") and told[0]["reason"] == "there is no run yet"
    assert "loss not finite" in told[1]["reason"] and told[1]["link"].endswith("run.json")
    (transfers,) = overview(study)["kinds"]
    assert (transfers["planned"], transfers["failed"], transfers["not_here"]) == (19, 1, 1)


def test_cells_of_the_map_are_what_the_table_of_gains_says(study):
    (heat,) = heat_maps(study)
    kinds = {}
    gains = study.tables["gains"].set_index(["target", "source"])
    for row in heat["rows"]:
        for column, cell in zip(heat["columns"], row["cells"], strict=True):
            kinds[row["target"], column["task"]] = cell["kind"]
            if cell["kind"] == "gain":
                gain = gains.loc[(row["target"], column["task"]), "gain"]
                assert cell["order"] == gain and cell["text"] == words.signed(gain)
                about = heat["facts"][cell["id"]]
                assert ["gain", words.percent(gain)] in [list(line) for line in about["lines"]]
                assert all(key in link for _, key, link in about["runs"])
    assert kinds["segmentation/sun", "segmentation/camvid"] == "missing"
    assert kinds["segmentation/camvid", "segmentation/camvid"] == "itself"
    partly = heat["rows"][0]["cells"][[c["task"] for c in heat["columns"]].index("segmentation/sun")]
    assert partly["partly"]  # one of its two seeds diverged


def test_names_of_others_are_text_and_nothing_else(html):
    assert HOSTILE not in html
    assert "&lt;script&gt;alert(" in html
    body = html.split("<script>")[0]  # where the libraries begin
    scripts = set(re.findall(r"<script\b[^>]*>", body))
    assert all(script.startswith('<script type="application/json"') for script in scripts)
    assert body.count("<script") == body.count("</script>")


def test_it_is_one_file_that_needs_no_network(html):
    assert not re.search(
        r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?!data:)""", html.split("<script>")[0]
    )
    assert "@import" not in html.split("</style>")[0]


def test_every_link_inside_the_page_leads_somewhere(html):
    body = html.split("<script>")[0]
    ids = set(re.findall(r'\bid="([^"]+)"', html))
    asked = set(re.findall(r'href="#([^"]+)"', body))
    assert asked <= ids
    assert (
        "dataset-camvid" in asked and "dataset-sun" not in asked
    )  # the example has the card of camvid alone


def test_the_same_study_gives_the_same_bytes(study, html):
    assert report_as_html(study) == html


def test_targets_have_measured_and_predicted_places_classes_curves_and_pictures(study):
    camvid = target_pages(study)[0]
    (part,) = camvid["parts"]
    by_source = {row["source"]: row for row in part["sources"]}
    assert by_source["segmentation/bdd"]["place"] == 1 and by_source["segmentation/bdd"]["predicted"]
    assert by_source["ILSVRC"]["place"] is None and by_source["random weights"]["place"] is None
    assert part["classes"]["rows"][1]["name"] == "road"
    assert part["classes"]["rows"][1]["difference"] == words.signed(0.7035 - 0.6025, 3)
    assert {shown["source"] for shown in part["pictures"]} == {"ILSVRC", "segmentation/bdd"}
    (rows,) = part["curves"]["datasets"].values()
    drawn = {row["source"] for row in rows}
    assert drawn == {"ILSVRC", "random weights", "segmentation/bdd", "segmentation/coco"}


def test_pictures_share_a_budget_and_what_is_no_picture_is_left_out(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = gallery(
        [(tmp_path / "broken.png", "", ""), (tmp_path / "absent.png", "", "")], "figure", MOST["figure"]
    )
    assert found == [None, None]
    for name in "ab":
        Image.effect_noise((800, 400), 90).convert("RGB").save(tmp_path / f"{name}.png")
    entries = [(tmp_path / f"{name}.png", f"{name}.png", name) for name in "ab"]
    small = gallery(entries, "figure", 5_000)
    assert [picture.data for picture in small] == [None, None] and small[0].link == "a.png"
    assert all(picture.data for picture in gallery(entries, "figure", MOST["figure"]))


def test_pictures_of_large_studies_are_stored_smaller_and_shown_as_large(tmp_path):
    """1,300 transfers leave a third of the room that a few hundred do."""
    for kind, most in MOST.items():
        assert budget_of(kind, 10) == budget_of(kind, 300) == most
        assert 0.28 * most <= budget_of(kind, 1300) <= 0.4 * most
        assert budget_of(kind, 10**6) == int(0.28 * most)
    Image.effect_noise((900, 300), 90).convert("RGB").save(tmp_path / "a.png")
    entries = [(tmp_path / "a.png", "a.png", "a")]
    (large,) = gallery(entries, "panel", 10**6)
    for budget in range(size_of(large) - 1, 4_000, -4_000):
        (small,) = gallery(entries, "panel", budget)
        assert (small.width, small.height) == (900, 300)
        assert size_of(small) <= budget + 20  # the URI's own words
    (least,) = gallery(entries, "panel", size_of(large) // 6)
    assert least.data is not None


def test_panels_outside_a_run_are_not_read(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"")
    folder = tmp_path / "run"
    (folder / "panels").mkdir(parents=True)
    (folder / "panels/0.jpg").write_bytes(b"")
    told = {"panels": [{"file": "../secret.jpg"}, {"file": "panels/0.jpg"}, {"file": "panels/1.jpg"}]}
    assert [path.name for path, _ in panels_of(folder, told)] == ["0.jpg"]


def test_a_study_without_runs_is_refused(tmp_path):
    study = reported_study(tmp_path, scores=False)
    with pytest.raises(ConfigurationError, match="no transfer: there is nothing to report"):
        reported_study(tmp_path, tables=dict(study.tables) | {"transfers": study.tables["transfers"].head(0)})


def test_published_numbers_stand_beside_ours(html):
    assert "Published beside ours" in html
    assert "Do the paper\N{RIGHT SINGLE QUOTATION MARK}s findings hold here?" in html
    assert "their cells" in html


def test_numbers_in_words():
    assert (
        words.percent(0.0) == "0.0 %"
        and words.percent(-0.04) == "0.0 %"
        and words.percent(3.14159) == "+3.1 %"
    )
    assert words.percent(float("nan")) == "\N{EN DASH}" and words.interval(float("nan"), 1.0) == ""
    assert words.interval(-1.23, 4.56) == "\N{MINUS SIGN}1.2 to 4.6 %"
    assert words.duration(90) == "1.5 min" and words.memory(2.5e9) == "2.5 GB"
    assert words.metric_value(pd.NA) == "\N{EN DASH}"


def test_facts_of_cells_are_json_that_a_browser_reads(html):
    (block,) = re.findall(r'class="cells">(.*?)</script>', html, re.DOTALL)
    facts = json.loads(block)
    assert any("diverged" in str(told) or "partly" in str(told) for told in facts.values())


def test_a_study_with_atdt_has_its_tables_on_a_page(study, html):
    assert 'id="atdt"' not in html
    identity = dict.fromkeys(("a", "b"), "<i>city</i>")
    identity |= {"direction": "depth_to_segmentation", "evaluated_on": "b", "batch_norm": True}
    told = []
    for seed in (0, 1):
        for method, value in (("baseline", 0.30), ("atdt", 0.40 + seed / 100)):
            own = {**identity, "method": method, "level": 4, "n1": "shared", "seed": seed}
            metrics = {"value": value, "pixel_accuracy": 0.5, "per_class": {HOSTILE: value}}
            told.append((own, {"status": "finished", "reason": None, "key": "0" * 16, "metrics": metrics}))
    evaluations = evaluations_table(told)
    tables = {
        "atdt_results": results_table(evaluations),
        "atdt_findings": findings_of_atdt(gains_table(evaluations)),
    }
    page = report_as_html(replace(study, tables={**study.tables, **tables}))
    assert '<a href="#atdt">' in page and 'id="atdt"' in page and "40.50" in page
    part = page.split('id="atdt"')[1].split("</section>")[0]
    assert "<i>city" not in part and HOSTILE not in part and "&lt;i&gt;city" in part
