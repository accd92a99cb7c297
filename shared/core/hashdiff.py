"""The fingerprint of a row's content: equal content, equal hash, and nothing else has it.

Every value is written with its length, so no two lists of values share an encoding, and NULL is told from the empty
string; case and white space count (the original lowercased, trimmed and joined by `|`).
"""

from __future__ import annotations

from hashlib import sha256


def hashdiff(*values: str | None) -> str:
    """Return the SHA-256, in hex, of the values' unambiguous encoding.

    NOTE: this is a storage format: `-` for NULL, else the length in bytes, `:` and the UTF-8 bytes.
    """
    encoded = "".join(["-" if value is None else f"{len(value.encode())}:{value}" for value in values])
    return sha256(encoded.encode()).hexdigest()


def entity_hash(display_name: str, entity_type: str) -> str:
    """Return the hashdiff of an entity version."""
    return hashdiff(display_name, entity_type)


def detail_hash(detail_type: str, detail_value: str) -> str:
    """Return the hashdiff of a detail version."""
    return hashdiff(detail_type, detail_value)
