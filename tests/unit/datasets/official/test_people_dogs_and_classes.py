"""MPII, Stanford Dogs and ILSVRC'12 in their official layouts."""

import numpy as np
import pytest
from official_examples import described, drawn, records, splits_of
from pseudo import people_dogs_and_classes as pseudo
from pseudo.files import photo, write

from transfer_atlas.errors import DatasetError


def test_mpii_from_the_matlab_file(tmp_path):
    drawn("mpii", tmp_path)
    found = records("mpii", tmp_path)
    assert sorted(found) == ["000000001", "000000002", "000000003"], "with joints, and no test image"
    about = described("mpii", tmp_path)["keypoints"]
    assert len(about["names"]) == 16 and (about["names"][0], about["names"][15]) == (
        "right_ankle",
        "left_wrist",
    )
    assert [about["names"][k] for k in about["flips"]][:2] == ["left_ankle", "left_knee"]

    objects = found["000000001"].objects
    assert objects.crowd.tolist() == [False, True], "who has no joints is neither trained nor scored"
    points = objects.keypoints[0]
    assert points[0].tolist() == [10, 20, 2], "counted from 1 on disk"
    assert points[9].tolist() == [12, 2, 1] and points[6].tolist() == [11, 11, 2], "visibility as text"
    assert points[7].tolist() == [11, 8, 1], "nothing said about visibility"
    assert points[1].tolist() == [0, 0, 0]
    # joints from (10, 2) to (12, 20): a tenth of 18 more on each side
    np.testing.assert_allclose(objects.boxes[0], [8.2, 0.2, 13.8, 21.8], rtol=1e-6)
    np.testing.assert_allclose(objects.boxes[1], [19, 3, 29, 13], rtol=1e-6)
    scaled = records("mpii", tmp_path, boxes="scale")["000000001"].objects
    np.testing.assert_allclose(scaled.boxes[0], [5, 1, 25, 21], rtol=1e-6)


def test_mpii_keeps_videos_together(tmp_path):
    drawn("mpii", tmp_path)
    for seed in range(5):
        split = {name: record.split for name, record in records("mpii", tmp_path, seed=seed).items()}
        assert split["000000001"] == split["000000002"] and set(split.values()) == {"train", "val"}


def test_mpii_from_hrnets_json(tmp_path):
    pseudo.mpii_json(tmp_path / "mpii")
    found = records("mpii", tmp_path)
    assert splits_of(found) == {"train": ["000000001"], "val": ["000000003"]}
    objects = found["000000001"].objects
    assert len(objects.boxes) == 2, "two people of one image"
    assert objects.keypoints[0, [0, 1, 2, 9]].tolist() == [[10, 20, 2], [0, 0, 0], [0, 0, 0], [12, 2, 1]]


def test_mpii_says_what_is_wrong_with_its_file(tmp_path):
    folder = drawn("mpii", tmp_path)
    path = folder / "mpii_human_pose_v1_u12_2/mpii_human_pose_v1_u12_1.mat"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DatasetError, match=r"mpii_human_pose_v1_u12_1\.mat is no release of MPII"):
        records("mpii", tmp_path)


def test_stanford_dogs_twenty_keypoints_of_images_that_fit(tmp_path):
    drawn("stanford_dogs", tmp_path)
    found = records("stanford_dogs", tmp_path)
    assert splits_of(found) == {"train": ["n02085620_10074", "n02085620_10131"], "val": ["n02116738_105"]}
    about = described("stanford_dogs", tmp_path)["keypoints"]
    assert len(about["names"]) == len(about["sigmas"]) == 20 and about["names"][16] == "Nose"
    objects = found["n02116738_105"].objects
    assert objects.boxes.tolist() == [[2, 3, 22, 24]], "clipped to the image"
    assert objects.keypoints[0, :3].tolist() == [[5.5, 6.25, 2], [7, 8, 1], [0, 0, 0]]
    assert objects.keypoints.shape == (1, 20, 3)


def test_stanford_dogs_by_the_numbers_of_version_12(tmp_path):
    folder = drawn("stanford_dogs", tmp_path)
    place = folder / "StanfordExtra_V12"
    place.mkdir()
    (folder / "StanfordExtra_v1.json").rename(place / "StanfordExtra_v12.json")
    for path in folder.glob("*_list.mat"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"no train_list\.mat below"):
        records("stanford_dogs", tmp_path)
    for split, numbers in {"train": [0], "val": [1], "test": [4]}.items():
        np.save(place / f"{split}_stanford_StanfordExtra_v12.npy", np.array(numbers))
    assert splits_of(records("stanford_dogs", tmp_path)) == {
        "train": ["n02085620_10074"],
        "val": ["n02116738_105"],
    }


def test_ilsvrc_indices_follow_the_sorted_names(tmp_path):
    drawn("ilsvrc", tmp_path)
    found = records("ilsvrc", tmp_path)
    classes = described("ilsvrc", tmp_path)["classification"]["classes"]
    assert classes == ["n01440764", "n01443537", "n15075141"]
    assert {name: classes[record.label] for name, record in found.items()} == {
        "n01440764_10026": "n01440764",
        "n01443537_2": "n01443537",
        "n15075141_9": "n15075141",
        "ILSVRC2012_val_00000001": "n15075141",
        "ILSVRC2012_val_00000002": "n01443537",
    }


def test_ilsvrc_validation_by_folder_and_by_list(tmp_path):
    folder = drawn("ilsvrc", tmp_path)
    write(
        folder / "LOC_val_solution.csv",
        "ImageId,PredictionString\nILSVRC2012_val_00000002,n01440764 1 2 3 4 \n"
        "ILSVRC2012_val_00000001,n15075141 1 2 3 4 \n",
    )
    assert records("ilsvrc", tmp_path)["ILSVRC2012_val_00000002"].label == 0
    photo(folder / "val/n01443537/ILSVRC2012_val_00000009.JPEG")
    found = records("ilsvrc", tmp_path)
    assert found["ILSVRC2012_val_00000009"].label == 1 and "ILSVRC2012_val_00000001" not in found


def test_ilsvrc_incomplete_validation_is_refused(tmp_path):
    folder = drawn("ilsvrc", tmp_path)
    (folder / "val/ILSVRC2012_val_00000001.JPEG").unlink()
    with pytest.raises(DatasetError, match="1 images for 2 numbers"):
        records("ilsvrc", tmp_path)
