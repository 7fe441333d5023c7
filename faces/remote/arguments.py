"""A command line with addresses in it: work goes on with what was brought here, and results go there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from faces.remote.address import Address, address_of
from faces.remote.mirror import Mirror, Pushing, brought
from faces.remote.stage import local_of

_HELD_VARIABLE: Final = "FACEFOLD_HELD"
"""Set for the processes that a command begins: the addresses are its to bring and to push."""
_TABLES: Final = (".csv", ".tsv", ".txt", ".parquet")
"""Endings of a table of photos (`--data`), which lie beside it."""


@contextmanager
def at_addresses(arguments: Sequence[str]) -> Iterator[list[str]]:
    """Bring what is at the addresses of a command line here, and take what is written there meanwhile there.

    Of processes that train together the first one pushes.

    Yields:
        The command line with the paths of this machine in place of addresses.

    Raises:
        RemoteError: an address cannot be used.
    """
    split = [_split(argument) for argument in arguments]
    # An option's value stands behind it, or is a word of its own.
    options = [option or (arguments[i - 1] if i else "") for i, (option, _) in enumerate(split)]
    addresses = {i: found for i, (_, value) in enumerate(split) if (found := address_of(value))}
    if not addresses or {"-h", "--help"} & {*arguments}:
        yield [*arguments]
        return
    words = [*arguments]
    for i, address in addresses.items():
        option = split[i][0]
        words[i] = f"{option}={local_of(address)}" if option else str(local_of(address))
    if _HELD_VARIABLE in os.environ:
        yield words
        return
    folders = dict.fromkeys(_folder(address, options[i]) for i, address in addresses.items())
    mirrors = [brought(folder) for folder in folders]
    with _held():
        yield from _pushing(words, mirrors)


def _split(argument: str) -> tuple[str, str]:
    """The option and the value of `--option=value`, or "" and the value."""
    option, equals, value = argument.partition("=")
    return (option, value) if equals and option.startswith("--") else ("", argument)


def _folder(address: Address, option: str) -> Address:
    """What is brought here for an address: itself, or the folder of a table of photos."""
    return address.parent if option == "--data" and address.place.endswith(_TABLES) else address


def _pushing(words: list[str], mirrors: list[Mirror]) -> Iterator[list[str]]:
    if os.environ.get("RANK", "0") != "0":
        yield words
        return
    pushing, whole = Pushing(mirrors), False
    try:
        yield words
        whole = True
    finally:
        pushing.end(whole=whole)


@contextmanager
def _held() -> Iterator[None]:
    os.environ[_HELD_VARIABLE] = "1"
    try:
        yield
    finally:
        del os.environ[_HELD_VARIABLE]
