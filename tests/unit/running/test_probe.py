"""A probe of backbones of which nothing has finished: their own width and batch, on this machine."""

from transfer_atlas.running.probe import probed


def asked(width, **changes):
    return {"backbone": {"name": "unet", "width": width}, "side": 64, "batch": 4} | changes


def test_a_narrow_network_is_tried_as_narrow_as_it_is():
    rates, device = probed({"narrow": asked(0.0625), "wide": asked(0.5)})
    assert set(rates) == {"narrow", "wide"} and device.startswith("cpu")
    assert rates["wide"] > 3 * rates["narrow"] > 0  # 64 times the operations of a layer


def test_what_cannot_be_tried_gives_no_rate():
    assert probed({"none": asked(1.0, backbone={"name": "no_such_network"})}) == ({}, "")
    assert probed({"slow": asked(1.0)}, seconds=0.01) == ({}, "")
