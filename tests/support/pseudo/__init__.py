"""Draws tiny datasets in the official layouts, with the traps that the real archives hold.

DRAW: adapter -> function that draws its archives, unpacked, into a folder. Everything is our own: noise and
rectangles in the files that the layout's rules ask for.
"""

from pseudo import consumer, driving

DRAW = consumer.DRAW | driving.DRAW
