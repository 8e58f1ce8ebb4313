"""Names of a recording's channels, without those that tell who was recorded."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Leads and sensors, which tell nobody's name even where the file's text has them too.
_USUAL = (
    "avr avl avf iii mli mlii mliii ecg ekg eeg eog emg meg abp art pap cvp icp bcg ppg pleth "
    "resp respiration airflow flow nasal oral thorax thoracic chest abdomen abdo abdominal snore "
    "spo2 sao2 pulse heart rate temp temperature rectal body position light sound leg tibia chin "
    "event marker signal channel record left right"
)
_USUAL_WORD = re.compile("|".join(sorted(_USUAL.split(), key=len, reverse=True)))
_WORD = re.compile(r"[^\W_]{3,}")


def channel_names(names: Sequence[str], person: str) -> list[str]:
    """The same names; ``signal <number>``, counted from 1, for one that has a word of `person`.

    Args:
        names: As the file writes them.
        person: What the file says about the person, of which words of three letters or digits and
            more count, in whatever case. Usual names of leads and sensors do not count.
    """
    words = {word for word in _WORD.findall(person.casefold()) if not _USUAL_WORD.fullmatch(word)}
    return [
        f"signal {number}" if any(word in _unusual(name) for word in words) else name
        for number, name in enumerate(names, start=1)
    ]


def _unusual(name: str) -> str:
    """What is left of a name, in small letters, without usual words."""
    return " ".join(
        word for word in re.split(r"[\W_]+", name.casefold()) if not _USUAL_WORD.fullmatch(word)
    )
