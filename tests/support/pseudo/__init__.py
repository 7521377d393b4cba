"""Draws tiny datasets in the official layouts, with the traps that the real archives hold.

DRAW: adapter -> function that draws its archives, unpacked, into a folder. Everything is our own: noise and
rectangles in the files that the layout's rules ask for.
"""

from pseudo import (
    aerial_and_underwater,
    consumer,
    driving,
    indoor_and_rendered,
    other_papers,
    people_dogs_and_classes,
)

DRAW = (
    consumer.DRAW
    | driving.DRAW
    | indoor_and_rendered.DRAW
    | aerial_and_underwater.DRAW
    | people_dogs_and_classes.DRAW
    | other_papers.DRAW
)
