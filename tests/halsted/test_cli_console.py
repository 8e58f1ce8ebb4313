"""A command that is told to end leaves in order."""

from __future__ import annotations

import os
import signal

import pytest

from halsted.cli.console import ended_in_order


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_as_an_exception(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    cleaned_up = False
    with pytest.raises(SystemExit) as end, ended_in_order():
        try:
            os.kill(os.getpid(), number)
        finally:
            cleaned_up = True
    assert end.value.code == 128 + number
    assert cleaned_up
    assert signal.getsignal(number) is before


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_in_order():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
