"""Reads large JSON files element by element: COCO's and BDD100K's annotations would fill the memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

CHUNK = 2**20  # characters read at a time
SPACE = " \t\n\r"
Slim = Callable[[dict[str, Any]], Any]


def stream_json(path: Path, slim: Slim | None = None) -> Iterator[tuple[str | None, Any]]:
    """Yield (key, value) of a JSON mapping, and of values that are lists each element; of a list (None, element).

    An empty list gives (key, []). slim: what is kept of every mapping in the file, as `object_hook` of `json`.
    Elements are read one at a time, so that memory does not grow with their number.

    Raises ValueError if it is not JSON in UTF-8, or neither a mapping nor a list; OSError if it cannot be read.
    """
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(file, json.JSONDecoder(object_hook=slim))
        opening = text.next("{[")
        if opening == "[":
            for element in text.elements():
                yield None, element
        elif not text.take("}"):
            while True:
                key = text.value()
                text.next(":")
                if not isinstance(key, str):
                    raise ValueError(f"a key {str(key)[:40]!r} that is no text")
                if text.take("["):
                    empty = True
                    for element in text.elements():
                        empty = False
                        yield key, element
                    if empty:
                        yield key, []
                else:
                    yield key, text.value()
                if text.next(",}") == "}":
                    break
        text.end()


class _Text:
    """The rest of a JSON text, of which a part is in memory."""

    def __init__(self, file: TextIO, decoder: json.JSONDecoder) -> None:
        self.file, self.decoder = file, decoder
        self.buffer, self.at, self.before = "", 0, 0

    def _more(self, least: int = 0) -> bool:
        """Read on; False at the end of the file."""
        chunk = self.file.read(max(CHUNK, least))
        if not chunk:
            return False
        self.before += self.at
        self.buffer, self.at = self.buffer[self.at :] + chunk, 0
        return True

    def _skip(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self.at < len(self.buffer):
                if self.buffer[self.at] not in SPACE:
                    return self.buffer[self.at]
                self.at += 1
            if not self._more():
                return ""

    def take(self, wanted: str) -> bool:
        """Whether the next character is this one, which is then passed."""
        if self._skip() != wanted:
            return False
        self.at += 1
        return True

    def next(self, wanted: str) -> str:
        """Pass the next character, which is one of these; ValueError else."""
        found = self._skip()
        if not found or found not in wanted:
            place = self.before + self.at
            raise ValueError(f"{found!r} at character {place}; expected one of {' '.join(wanted)}")
        self.at += 1
        return found

    def value(self) -> Any:
        """Pass the next value."""
        self._skip()
        while True:
            try:
                found, end = self.decoder.raw_decode(self.buffer, self.at)
            except ValueError:
                # cut off by the end of what was read: as much again, so that a long value is not read over and over
                if not self._more(len(self.buffer)):
                    raise
                continue
            # a number may go on: 1 in 1e+2
            if len(self.buffer) - end < 3 and self._more():
                continue
            self.at = end
            return found

    def elements(self) -> Iterator[Any]:
        """Pass the elements of a list, of which the bracket is passed."""
        if self.take("]"):
            return
        while True:
            yield self.value()
            if self.next(",]") == "]":
                return

    def end(self) -> None:
        """ValueError if more than spaces follow."""
        if self._skip():
            raise ValueError(f"more text at character {self.before + self.at}")
