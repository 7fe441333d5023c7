"""What is said with every answer of networks that learned from drawn people."""

from __future__ import annotations


def drawn_note(drawn: bool) -> str:
    """A sentence for people; "" of networks that learned from photos alone."""
    return (
        "This network learned from drawings of people, not from photos: it shows how the program works, and "
        "what it says of a real face is a guess."
        if drawn
        else ""
    )
