"""A person's word on the verdict."""

from agent.readiness.override import Override, Overrides


def test_it_expires():
    """It counts until just before its end, and never again."""
    words = Overrides()
    word = Override(ready=False, until=110.0, reason="r")
    words.set(word)
    assert [words.current(now) for now in (100.0, 109.9, 110.0, 100.0)] == [word, word, None, None]


def test_the_last_word_counts():
    """A second one takes the place of the first, also where it is shorter."""
    words = Overrides()
    words.set(Override(ready=False, until=200.0, reason="first"))
    words.set(Override(ready=True, until=110.0, reason="second"))
    assert words.current(100.0).reason == "second"
    assert words.current(150.0) is None


def test_cleared():
    """Clearing tells what was in force; where nothing was, nothing."""
    words = Overrides()
    assert words.clear(100.0) is None
    words.set(Override(ready=False, until=110.0, reason="r"))
    assert words.clear(100.0).reason == "r"
    assert words.current(100.0) is None
    words.set(Override(ready=False, until=110.0, reason="r"))
    assert words.clear(110.0) is None


def test_never_silently():
    """It says what is forced, by whom, until when, and why."""
    word = Override(ready=False, until=110.0, reason="new disk", by="127.0.0.1 (curl/8)", ends=1_780_272_600.0)
    assert word.sentence == "unready by 127.0.0.1 (curl/8) until 2026-06-01T00:10:00Z (new disk)"
    assert Override(ready=True, until=110.0, reason="new disk").sentence == "ready (new disk)"
