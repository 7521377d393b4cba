"""Articulated figures: people and quadrupeds with named keypoints that lie on the parts that show them."""

from __future__ import annotations

import numpy as np

from transfer_atlas.datasets.miniature.shapes import Part, Thing
from transfer_atlas.datasets.miniature.surfaces import Palette

CLOTHES = ("stripes", "plaid", "weave", "dots", "plain", "folds")


class _Skeleton:
    """Collects parts in painting order and remembers by name where each one landed."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.numbers: dict[str, int] = {}

    def add(self, name: str, kind: str, numbers: tuple[float, ...], surface: object) -> None:
        self.numbers[name] = len(self.parts)
        self.parts.append(Part(kind, tuple(float(n) for n in numbers), surface))

    def keypoint(self, point: np.ndarray, *shown_by: str) -> tuple[float, float, frozenset[int]]:
        return (
            float(point[0]),
            float(point[1]),
            frozenset(self.numbers[n] for n in shown_by if n in self.numbers),
        )


def _step(start: np.ndarray, angle: float, length: float) -> np.ndarray:
    """The end of a bone; angle 0 hangs down, positive turns to the right of the image."""
    return start + length * np.array([np.sin(angle), -np.cos(angle)])


def person(palette: Palette, *, material: str = "person", activity: str = "any") -> Thing:
    """A person about 1.75 m tall, turned any way; activity any, walk (upright, small strides), ride or swim.

    The facing angle is 0 towards the camera; left and right are the person's own, so that only the face, the
    hair and the turn of the body tell them apart.
    """
    rng = palette.rng
    facing = rng.uniform(0, 2 * np.pi)
    if activity in ("ride", "swim"):
        facing = rng.choice([-1.0, 1.0]) * np.pi / 2
    front, side = np.cos(facing), np.sin(facing)
    lively = {"any": 1.0, "walk": 0.35, "ride": 0.2, "swim": 0.6}[activity]
    lean = rng.normal(0, 0.12 * lively) + (0.35 * side if activity == "ride" else 0)
    size = rng.uniform(0.92, 1.06)
    build = rng.uniform(0.85, 1.3)
    sit = activity == "any" and rng.random() < 0.15

    hip_centre = np.array([0.0, 0.95])
    thorax = hip_centre + 0.48 * np.array([np.sin(lean), np.cos(lean)])
    neck = thorax + 0.08 * np.array([np.sin(lean), np.cos(lean)])
    nod = lean + rng.normal(0, 0.15)
    head = neck + 0.13 * np.array([np.sin(nod), np.cos(nod)])
    across = np.array([np.cos(lean), -np.sin(lean)])
    shoulder = {
        s: thorax - 0.04 + sign * front * 0.19 * build * across for s, sign in (("left", 1), ("right", -1))
    }
    hip = {s: hip_centre + sign * front * 0.1 * build * across for s, sign in (("left", 1), ("right", -1))}

    bones: dict[str, np.ndarray] = {}
    for name, sign in (("left", 1), ("right", -1)):
        swing = rng.normal(0, 0.9 * lively)
        abduct = abs(rng.normal(0, 0.9 * lively)) + 0.12
        arm = swing * side + sign * abduct * front
        bend = abs(rng.normal(0, 0.9 * lively)) * (side if abs(side) > 0.5 else sign * front)
        if activity == "ride":
            arm, bend = 1.0 * side, 0.3 * side
        elif activity == "swim":
            arm, bend = 2.6 * side * rng.uniform(0.6, 1.1), 0.2 * side
        bones[f"{name}_elbow"] = _step(shoulder[name], arm, 0.29 * rng.uniform(0.8, 1))
        bones[f"{name}_wrist"] = _step(bones[f"{name}_elbow"], arm + bend, 0.26 * rng.uniform(0.8, 1))
        stride = rng.normal(0, 0.4 * max(lively, 0.7))
        leg = stride * side + sign * (0.06 + 0.25 * lively * rng.random()) * front
        knee = -abs(rng.normal(0, 0.5 * max(lively, 0.5))) * side
        if activity == "ride":
            leg, knee = (1.1 + 0.35 * sign) * side, -(1.0 + 0.3 * sign) * side
        thigh = 0.43
        if sit:
            leg, knee = 1.4 * side + sign * 0.25 * front, -1.4 * side
            thigh *= max(0.35, abs(side))
        bones[f"{name}_knee"] = _step(hip[name], leg, thigh)
        bones[f"{name}_ankle"] = _step(bones[f"{name}_knee"], leg + knee, 0.43)

    skin = palette.flat(palette.colour((0.75, 0.55, 0.45)))
    hair = palette.surface("hair")
    shirt = palette.surface(material, texture=str(rng.choice(CLOTHES)))
    trousers = palette.surface(material, texture=str(rng.choice(CLOTHES)))
    sleeve = skin if rng.random() < 0.4 else shirt
    legs = skin if rng.random() < 0.25 else trousers
    body = _Skeleton()

    def arm_parts(name: str) -> None:
        elbow, wrist = bones[f"{name}_elbow"], bones[f"{name}_wrist"]
        body.add(f"{name}_upper_arm", "capsule", (*shoulder[name], *elbow, 0.075 * build, 0.06), shirt)
        body.add(f"{name}_forearm", "capsule", (*elbow, *wrist, 0.06, 0.048), sleeve)
        body.add(f"{name}_hand", "ellipse", (*wrist, 0.065, 0.065), skin)

    def leg_parts(name: str) -> None:
        knee, ankle = bones[f"{name}_knee"], bones[f"{name}_ankle"]
        body.add(f"{name}_thigh", "capsule", (*hip[name], *knee, 0.105 * build, 0.08), trousers)
        body.add(f"{name}_calf", "capsule", (*knee, *ankle, 0.075, 0.055), legs)
        toe = ankle + np.array([0.1 * side, -0.06 - 0.03 * front])
        body.add(f"{name}_foot", "capsule", (*ankle, *toe, 0.06, 0.055), palette.dark())

    # Facing the image's right, the person's right side is the near one; near parts are painted last.
    far, near = ("left", "right") if side > 0 else ("right", "left")
    arm_parts(far)
    leg_parts(far)
    leg_parts(near)
    width = 0.1 + 0.1 * abs(front)
    top_left, top_right = thorax - width * build * across, thorax + width * build * across
    low_left, low_right = hip_centre - 0.8 * width * build * across, hip_centre + 0.8 * width * build * across
    body.add("torso", "polygon", (*top_left, *top_right, *low_right, *low_left), shirt)
    body.add("belly", "capsule", (*thorax, *hip_centre, 0.13 * build, 0.12 * build), shirt)
    body.add("neck", "capsule", (*thorax, *head, 0.05, 0.05), skin)
    body.add("skull", "ellipse", (*head, 0.105, 0.135), hair if front < -0.3 else skin)
    if front >= -0.3:
        cap = head + np.array([-0.05 * side, 0.07])
        body.add("cap", "ellipse", (*cap, 0.105, 0.08), hair)
    arm_parts(near)
    face = np.array([0.08 * side, 0.0])
    eyes = {
        s: head + face + np.array([sign * 0.045 * front, 0.015]) for s, sign in (("left", 1), ("right", -1))
    }
    if front > -0.3:
        for name, eye in eyes.items():
            if (name == near or front > 0.3) or abs(side) < 0.3:
                body.add(f"{name}_eye", "ellipse", (*eye, 0.02, 0.022), palette.dark())
    nose = head + np.array([0.085 * side, -0.03])
    ears = {
        s: head + np.array([sign * 0.1 * front - 0.01 * side, 0.0])
        for s, sign in (("left", 1), ("right", -1))
    }

    head_parts = ("skull", "neck") + (("cap",) if front >= -0.3 else ())
    points = {
        "nose": body.keypoint(nose, "skull", "left_eye", "right_eye")
        if front > -0.3
        else body.keypoint(nose),
        "pelvis": body.keypoint(hip_centre, "torso", "belly"),
        "thorax": body.keypoint(thorax, "torso", "belly", "neck"),
        "upper_neck": body.keypoint(neck, *head_parts),
        "head_top": body.keypoint(head + 0.125 * np.array([np.sin(nod), np.cos(nod)]), *head_parts),
    }
    for name in ("left", "right"):
        seen = name == near or abs(side) < 0.85
        points[f"{name}_eye"] = body.keypoint(
            eyes[name], *(("skull", "left_eye", "right_eye") if front > -0.3 and seen else ())
        )
        points[f"{name}_ear"] = body.keypoint(ears[name], *(("skull", "cap") if seen else ()))
        torso = ("torso", "belly") if seen else ()
        points[f"{name}_shoulder"] = body.keypoint(shoulder[name], f"{name}_upper_arm", *torso)
        points[f"{name}_elbow"] = body.keypoint(
            bones[f"{name}_elbow"], f"{name}_upper_arm", f"{name}_forearm"
        )
        points[f"{name}_wrist"] = body.keypoint(bones[f"{name}_wrist"], f"{name}_forearm", f"{name}_hand")
        points[f"{name}_hip"] = body.keypoint(hip[name], f"{name}_thigh", *torso)
        points[f"{name}_knee"] = body.keypoint(bones[f"{name}_knee"], f"{name}_thigh", f"{name}_calf")
        points[f"{name}_ankle"] = body.keypoint(bones[f"{name}_ankle"], f"{name}_calf", f"{name}_foot")
    lift = -min(part.extent()[1] for part in body.parts) if activity != "ride" else 0.0
    return _shifted(Thing(material, body.parts, points), lift, size)


def _shifted(thing: Thing, lift: float, size: float) -> Thing:
    """The thing with its lowest point on the ground, scaled by size."""

    def move(part: Part) -> Part:
        n = list(part.numbers)
        positions = {"ellipse": (1,), "capsule": (1, 3), "polygon": tuple(range(1, len(n), 2))}[part.kind]
        for position in positions:
            n[position] += lift
        return Part(part.kind, tuple(value * size for value in n), part.surface, part.material)

    keypoints = {
        name: (x * size, (y + lift) * size, parts) for name, (x, y, parts) in (thing.keypoints or {}).items()
    }
    return Thing(thing.material, [move(part) for part in thing.parts], keypoints)


BREEDS = {  # length of body, of legs, of neck, of muzzle; thickness of body
    "dog": (0.62, 0.36, 0.2, 0.14, 0.15),
    "horse": (1.3, 0.95, 0.6, 0.3, 0.3),
    "cow": (1.4, 0.75, 0.3, 0.25, 0.38),
}


def quadruped(palette: Palette, material: str = "dog", *, seated: bool = False) -> Thing:
    """A four-legged animal seen from one side or turned away from it, with the twenty keypoints of dogs."""
    rng = palette.rng
    length, leg, neck_length, muzzle, thickness = (
        value * rng.uniform(0.85, 1.2) for value in BREEDS.get(material, BREEDS["dog"])
    )
    right = rng.random() < 0.5  # faces the image's right, so that its right side is near
    heading = 1.0 if right else -1.0
    squeeze = rng.uniform(0.55, 1.0)  # a body turned towards the camera looks shorter
    coat, patch = palette.surface(material), palette.surface(material)
    dark = palette.dark()
    near, far = ("right", "left") if right else ("left", "right")
    pitch = 0.7 if seated else rng.normal(0, 0.06)

    def vector(angle: float, size: float) -> np.ndarray:
        """A step of that size; angle 0 points ahead, pi / 2 up."""
        return size * np.array([heading * np.cos(angle) * squeeze, np.sin(angle)])

    rear_top = np.array([-heading * length * squeeze / 2, leg * (0.55 if seated else 1.0)])
    front_top = rear_top + vector(pitch, length)
    body = _Skeleton()
    legs: dict[str, list[np.ndarray]] = {}
    for side in (far, near):
        shift = np.array([heading * 0.12 * length * (1 - squeeze + 0.25) * (1 if side == near else -1), 0.0])
        for end, top in (("rear", rear_top), ("front", front_top)):
            start = top + shift + np.array([0.0, -0.2 * thickness])
            reach = float(start[1])
            swing = rng.normal(0, 0.3)
            bend = (0.45 if end == "rear" else -0.15) + rng.normal(0, 0.12)
            if seated and end == "rear":
                middle = start + np.array([heading * 0.35 * length * squeeze, -0.25 * reach])
                paw = np.array([middle[0] - heading * 0.05, 0.02])
            else:
                middle = start + np.array([heading * np.sin(swing + bend) * 0.5 * reach, -0.52 * reach])
                paw = np.array(
                    [start[0] + heading * np.sin(swing) * reach * 0.8, 0.03 + 0.1 * reach * max(swing, 0)]
                )
            legs[f"{side}_{end}"] = [paw, middle, start]
    thin = 0.24 * thickness

    def leg_parts(name: str) -> None:
        paw, middle, top = legs[name]
        body.add(f"{name}_upper", "capsule", (*top, *middle, 0.5 * thickness, 1.3 * thin), coat)
        body.add(f"{name}_lower", "capsule", (*middle, *paw, 1.25 * thin, thin), coat)
        toe = paw + np.array([heading * 0.06 * leg, 0.0])
        body.add(f"{name}_paw", "capsule", (*paw, *toe, 1.2 * thin, thin), patch)

    tail_start = rear_top + vector(np.pi, 0.35 * thickness) + np.array([0, 0.4 * thickness])
    tail_end = tail_start + vector(np.pi - rng.uniform(-0.9, 1.3), 0.5 * length * rng.uniform(0.6, 1))
    neck_angle = rng.uniform(0.25, 1.2)
    neck_base = front_top + np.array([0, 0.25 * thickness])
    head = neck_base + vector(neck_angle, neck_length + 0.6 * thickness)
    gaze = rng.normal(-0.2, 0.25)
    nose = head + vector(gaze, muzzle + 0.1 * length)
    chin = head + vector(gaze - 0.4, 0.75 * (muzzle + 0.1 * length))
    leg_parts(f"{far}_rear")
    leg_parts(f"{far}_front")
    body.add("tail", "capsule", (*tail_start, *tail_end, 0.25 * thickness, 0.12 * thickness), coat)
    body.add("trunk", "capsule", (*rear_top, *front_top, 0.9 * thickness, thickness), coat)
    if rng.random() < 0.5:
        spot = rear_top + rng.uniform(0.3, 0.7) * (front_top - rear_top)
        body.add("spot", "ellipse", (*spot, 0.8 * thickness, 0.6 * thickness), patch)
    leg_parts(f"{near}_rear")
    leg_parts(f"{near}_front")
    skull = 0.14 * length + 0.25 * thickness
    hanging = rng.random() < 0.5
    ears: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for side, sign in ((far, 1), (near, -1)):
        base = head + np.array([heading * skull * (0.35 * sign * squeeze), 0.75 * skull])
        direction = np.array([-heading * 0.5, -1.3]) if hanging else np.array([-heading * 0.2, 1.2])
        ears[side] = (base, base + skull * direction * rng.uniform(0.7, 1.1))
    body.add(f"{far}_ear", "capsule", (*ears[far][0], *ears[far][1], 0.4 * skull, 0.2 * skull), patch)
    body.add("neck", "capsule", (*neck_base, *head, 0.75 * thickness, 0.75 * skull), coat)
    body.add("skull", "ellipse", (*head, skull, 0.95 * skull), coat)
    body.add("muzzle", "capsule", (*head, *nose, 0.65 * skull, 0.42 * skull), patch)
    body.add("nose", "ellipse", (*nose, 0.22 * skull, 0.2 * skull), dark)
    body.add("eye", "ellipse", (*(head + vector(0.9, 0.4 * skull)), 0.17 * skull, 0.17 * skull), dark)
    body.add(f"{near}_ear", "capsule", (*ears[near][0], *ears[near][1], 0.4 * skull, 0.2 * skull), patch)

    points = {
        "tail_start": body.keypoint(tail_start, "tail", "trunk"),
        "tail_end": body.keypoint(tail_end, "tail"),
        "nose": body.keypoint(nose, "nose", "muzzle"),
        "chin": body.keypoint(chin, "muzzle", "skull"),
    }
    for side in ("left", "right"):
        for end in ("front", "rear"):
            name = f"{side}_{end}"
            lower, upper = f"{name}_lower", f"{name}_upper"
            paw, middle, top = legs[name]
            points[f"{name}_paw"] = body.keypoint(paw, lower, f"{name}_paw")
            points[f"{name}_middle_joint"] = body.keypoint(middle, lower, upper)
            over = ("trunk", "neck") if side == near else ()  # a joint under the near coat counts as seen
            points[f"{name}_top_joint"] = body.keypoint(top, upper, *over)
        points[f"{side}_ear_base"] = body.keypoint(
            ears[side][0], f"{side}_ear", *(("skull",) if side == near else ())
        )
        points[f"{side}_ear_tip"] = body.keypoint(ears[side][1], f"{side}_ear")
    lift = -min(part.extent()[1] for part in body.parts)
    return _shifted(Thing(material, body.parts, points), max(lift, 0), 1.0)
