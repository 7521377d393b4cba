"""The camera that took the images of a dataset with depth: of both follow surface normals."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from transfer_atlas.datasets.normals import focal_of
from transfer_atlas.strict import Strict


class Camera(Strict):
    """A pinhole camera, one for all images: by its field of view, or by its intrinsics in pixels."""

    field_of_view: float | None = Field(
        None, gt=0, lt=180, description="Horizontal, in degrees; the principal point is the middle."
    )
    focal_length: tuple[PositiveFloat, PositiveFloat] | None = Field(
        None, description="Or focal length in x and in y, in pixels of images of `size`."
    )
    centre: tuple[float, float] | None = Field(
        None, description="Principal point x and y, in pixels of images of `size`; the middle if absent."
    )
    size: tuple[PositiveInt, PositiveInt] | None = Field(
        None,
        description="Height and width of the images that these pixels are of; the dataset's may be scaled.",
    )

    @model_validator(mode="after")
    def _is_one_camera(self) -> Self:
        if (self.field_of_view is None) == (self.focal_length is None):
            raise ValueError("expected one of field_of_view and focal_length")
        if self.focal_length is not None and self.size is None:
            raise ValueError("focal_length is in pixels: say of which `size` [height, width]")
        if self.field_of_view is not None and (self.centre, self.size) != (None, None):
            raise ValueError("centre and size belong to focal_length")
        return self

    def described(self) -> dict[str, Any]:
        """The fields of a NormalsDescription."""
        if self.field_of_view is not None:
            return {"intrinsics": {"focal": (focal_of(self.field_of_view),) * 2}}
        assert self.focal_length is not None and self.size is not None
        height, width = self.size
        focal = tuple(length / width for length in self.focal_length)
        centre = (0.5, 0.5)
        if self.centre is not None:
            centre = self.centre[0] / width, self.centre[1] / height
        return {"intrinsics": {"focal": focal, "centre": centre}}


def with_normals(described: dict[str, Any], camera: Camera | None) -> dict[str, Any]:
    """Fields of a description, with normals where the camera is known and there is depth."""
    if camera is None or described.get("depth") is None:
        return described
    return described | {"normals": camera.described()}
