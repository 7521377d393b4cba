"""Large JSON files read element by element: the same as read at once, and memory for what is kept alone."""

import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer_atlas.datasets.official import json_streams
from transfer_atlas.datasets.official.files import read_json_lists
from transfer_atlas.datasets.official.json_streams import stream_json
from transfer_atlas.errors import DatasetError

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
VALUES = st.recursive(
    PLAIN,
    lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=4), v, max_size=4),
    max_leaves=9,
)


def whole(path):
    """What was streamed, put together again."""
    together = {}
    for key, value in stream_json(path):
        together.setdefault(key, []).append(value)
    return together


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.text(max_size=6), VALUES, max_size=5),
    st.integers(1, 40),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_a_mapping_comes_as_it_is_wherever_it_is_cut(tmp_path_factory, content, chunk, indent, ascii_only):
    path = tmp_path_factory.getbasetemp() / "stream.json"
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    kept, json_streams.CHUNK = json_streams.CHUNK, chunk
    try:
        expected = {
            key: value if isinstance(value, list) and value else [value] for key, value in content.items()
        }
        assert whole(path) == expected
    finally:
        json_streams.CHUNK = kept


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_a_list(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(json_streams, "CHUNK", chunk)
    path = tmp_path / "list.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([1234567, "a]b", {"c": [1, 2]}, -1.5e3]).encode() + b" \n")
    assert whole(path) == {None: [1234567, "a]b", {"c": [1, 2]}, -1500.0]}
    path.write_text("[]")
    assert whole(path) == {}


@pytest.mark.parametrize(
    "text",
    ["", "3", "[1", "[1 2]", '{"a": [1], }', '{"a" 1}', '{"a": [1]} x', "[1,]", "{1: 2}", '{"a": tru}'],
)
def test_what_is_no_json_is_an_error(tmp_path, text, monkeypatch):
    monkeypatch.setattr(json_streams, "CHUNK", 2)
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ValueError):
        whole(path)
    with pytest.raises(DatasetError, match=r"bad\.json is no JSON|lacks"):
        read_json_lists(path, "toy", ("a",), dict)


def test_memory_is_for_what_is_kept_alone(tmp_path):
    """COCO's outlines are most of its file, of which a tenth is kept."""
    path = tmp_path / "large.json"
    outline = [[index + 0.25 for index in range(200)]]
    with path.open("w") as file:
        file.write('{"images": [], "annotations": [')
        file.write(",".join(json.dumps({"image_id": at, "segmentation": outline}) for at in range(8000)))
        file.write("]}")
    size = path.stat().st_size
    tracemalloc.start()
    found = read_json_lists(
        path,
        "toy",
        ("images", "annotations"),
        lambda entry: {"image_id": entry["image_id"]} if entry else entry,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found["annotations"]) == 8000 and size > 8e6
    assert peak < 0.8 * size, "the text alone would be more"
