"""Reads small XML files from anywhere: without document types and entities, which can blow up or read other files."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.parsers import expat


def parse_xml(content: bytes) -> ElementTree.Element:
    """Return the root element.

    Raises ValueError if this is not well-formed XML, or has a document type declaration: annotations need
    none, and only there can entities be defined.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(f"not well-formed XML ({error})") from error
    return builder.close()


def _refuse(name: str, system: str | None, public: str | None, internal: bool) -> None:
    raise ValueError(f"a document type declaration ({name}), which may hide entities")
