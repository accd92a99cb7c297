"""What an answer warns of beside what it says: the `Warning` field, code 199, as RFC 7234 has it in 5.5."""

from __future__ import annotations


def warning(text: str | None) -> dict[str, str]:
    """Return the header that tells a text, none where there is nothing to tell.

    >>> warning("something is missing"), warning(None)
    ({'Warning': '199 - "something is missing"'}, {})
    """
    return {} if text is None else {"Warning": f'199 - "{text}"'}
