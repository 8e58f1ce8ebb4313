"""From a network's name to its trained folder, and from a folder of data to examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.catalogue import network_named
from halsted.agents.perception.checkpoint import State, Trained, load_trained
from halsted.agents.perception.examples import Example, Source, example_of
from halsted.agents.perception.phantom_sources import Split, phantom_sources
from halsted.agents.perception.reliability import (
    LEAST_FOR_MARGINS,
    LEAST_FOR_OUTLIERS,
    LEAST_FOR_TEMPERATURE,
    calibrated,
)
from halsted.agents.perception.specification import Network
from halsted.agents.perception.training import Recipe, train_network
from halsted.imaging_bridge.files import make_folder

Begin = Callable[[str, int], Callable[[], None]]
"""Begins a stretch of work of so many parts for people to follow; what it gives ends a part."""

_HELD_BACK_SHARE = 0.2


@dataclass(frozen=True)
class Request:
    """What `halsted perceive train` was asked for.

    Attributes:
        name: Of the network.
        folder: For the trained network.
        recipe: How it is trained.
        phantoms: How many to train on; 0 for none, None for the network's own number.
        data: Folders of the user's own images and masks.
        classes: To learn; empty for all.
        start: Folder of a trained network to begin with.
        calibration: How many phantoms, never trained on, calibrate it.
    """

    name: str
    folder: Path
    recipe: Recipe = field(default_factory=Recipe)
    phantoms: int | None = None
    data: Sequence[Path] = ()
    classes: Sequence[str] = ()
    start: Path | None = None
    calibration: int = 24


def train_and_calibrate(
    request: Request, begin: Begin, on_message: Callable[[str], None]
) -> Trained:
    """Train a network, calibrate it on cases it never saw, and write it to its folder.

    Raises:
        HalstedError: the request does not fit, or something cannot be read or written.
    """
    network = with_classes(network_named(request.name), request.classes)
    start = () if request.start is None else _given_weights(network, request.start)
    with _usable(request.folder):
        cases = gather(network, request, begin)
    _tell_promises(len(cases["calibration"]), on_message)
    steps = request.recipe.steps or network.steps
    done = begin(f"training {network.name}", steps * request.recipe.members)

    def finish(trained: Trained) -> Trained:
        looked = begin("calibrating", len(cases["validation"]) + len(cases["calibration"]))
        finished = calibrated(trained, cases["validation"], cases["calibration"], looked)
        real = [one.digest for group in cases.values() for one in group if one.is_real]
        return replace(finished, facts={**finished.facts, "real_cases": sorted(real)})

    return train_network(
        network, cases["train"], cases["validation"], request.folder, request.recipe, start,
        finish, lambda _: done(), on_message,
    )  # fmt: skip


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Make a folder before long work, and remove it where the work fails and nothing is in it.

    Raises:
        OutputError: it cannot be made.
    """
    make_folder(folder)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _given_weights(network: Network, folder: Path) -> Sequence[State]:
    """Weights of a trained network that looks at the same images for the same classes.

    Raises:
        PerceptionError: it does not.
    """
    given = load_trained(folder)
    for what in ("task", "channels", "intensity", "spacing_mm", "cut_out"):
        if getattr(given.network, what) != getattr(network, what):
            raise PerceptionError(
                f"{folder} holds the network {given.network.name}, whose {what} is "
                f"{getattr(given.network, what)!r} and not {getattr(network, what)!r} as that of "
                f"{network.name}; give a network of the same kind"
            )
    if list(given.network.classes) != list(network.classes) or given.network.name != network.name:
        raise PerceptionError(
            f"{folder} holds the network {given.network.name}, which sees "
            f"{', '.join(given.network.classes)}, but {network.name} is to see "
            f"{', '.join(network.classes)}; give a network of the same kind"
        )
    return given.members


def _tell_promises(count: int, on_message: Callable[[str], None]) -> None:
    """Say which promises so few calibrating cases leave out."""
    missing = [
        what
        for what, least in (
            ("confidence is not calibrated", LEAST_FOR_TEMPERATURE),
            ("no margin or interval is promised", LEAST_FOR_MARGINS),
            ("strange cases are not told", LEAST_FOR_OUTLIERS),
        )
        if count < least
    ]
    if missing:
        on_message(f"with {count} cases to calibrate on {', '.join(missing)}")


def with_classes(network: Network, classes: Sequence[str]) -> Network:
    """The network with only these classes.

    Raises:
        PerceptionError: one is none of its classes.
    """
    unknown = [name for name in classes if name not in network.classes]
    if unknown:
        raise PerceptionError(
            f"{network.name} has no class {unknown[0]!r}; choose among: "
            f"{', '.join(network.classes)}"
        )
    if not classes:
        return network
    kept = {name: text for name, text in network.classes.items() if name in classes}
    lesions = tuple(name for name in network.lesions if name in classes)
    return replace(network, classes=kept, lesions=lesions)


def gather(network: Network, request: Request, begin: Begin) -> dict[Split, list[Example]]:
    """Examples by split: phantoms of its own seeds, and people of the user's data.

    Where enough people are left to calibrate on, no phantom is calibrated on.

    Raises:
        PerceptionError: there is nothing to learn from.
    """
    sources = data_sources(request.data)
    phantoms = network.people if request.phantoms is None else request.phantoms
    counts: dict[Split, int] = {
        "train": phantoms,
        "validation": min(8, phantoms),
        "calibration": request.calibration if phantoms else 0,
    }
    by_split: dict[Split, list[Source]] = {
        split: phantom_sources(network, split, count) for split, count in counts.items()
    }
    mine = split_people(sources, request.recipe.seed)
    if len({one.person for one in mine["calibration"]}) >= LEAST_FOR_MARGINS:
        by_split["calibration"] = []  # promises about people are made on people
    for split, some in mine.items():
        by_split[split] += some
    read = iter(read_examples(network, [one for some in by_split.values() for one in some], begin))
    examples = {split: list(islice(read, len(group))) for split, group in by_split.items()}
    if not examples["train"] or not examples["validation"]:
        raise PerceptionError(
            f"there are {len(examples['train'])} cases to learn from and "
            f"{len(examples['validation'])} to choose the best step by, but each needs one; give "
            "images of at least two people, or train on phantoms too"
        )
    return examples


def data_sources(folders: Sequence[Path]) -> list[Source]:
    """The cases of the user's folders, in whatever public layout each is.

    Raises:
        HalstedError: a folder is of no layout that is known.
    """
    from halsted.imaging_bridge.layouts import find_layout

    return [
        Source(one.name, one.person, one.load)
        for folder in folders
        for one in find_layout(folder).sources(folder)
    ]


def split_people(sources: Sequence[Source], seed: int) -> dict[Split, list[Source]]:
    """People of the user's data into those learned from, validated on and calibrated on.

    A fifth each of the people validates and calibrates, at least one where there are two and three.
    """
    people = sorted({one.person for one in sources})
    order = np.random.default_rng(seed).permutation(len(people))
    held = max(1, round(_HELD_BACK_SHARE * len(people))) if len(people) > 1 else 0
    second = held if len(people) > 2 else 0
    role: dict[str, Split] = dict.fromkeys(people, "train")
    for number in order[:held]:
        role[people[int(number)]] = "validation"
    for number in order[held : held + second]:
        role[people[int(number)]] = "calibration"
    return {
        split: [one for one in sources if role[one.person] == split]
        for split in ("train", "validation", "calibration")
    }


def read_examples(network: Network, sources: Sequence[Source], begin: Begin) -> list[Example]:
    """The examples of sources, for people to follow."""
    done = begin("reading cases", len(sources))
    examples = []
    for source in sources:
        examples.append(example_of(network, source))
        done()
    return examples
