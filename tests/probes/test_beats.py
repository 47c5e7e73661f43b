"""What is kept of the heartbeats of one job."""

from probes.beats import Beats, Word


def test_the_newest_end_counts():
    """A job that failed is failed until it next says that it ended well."""
    beats = Beats(1000.0)
    beats.take(Word.OK, 1010.0)
    beats.take(Word.FAIL, 1020.0, said="disk full")
    assert (beats.last, beats.failed, beats.said) == (1010.0, True, "disk full")
    beats.take(Word.START, 1030.0)
    assert beats.failed
    beats.take(Word.OK, 1040.0, said="ignored")
    assert (beats.last, beats.failed, beats.said) == (1040.0, False, "")
    assert beats.counts == {Word.OK: 2, Word.FAIL: 1, Word.START: 1}


def test_a_duration_is_counted_from_the_start():
    """From the last start to the end, once; the job's own word counts for more."""
    beats = Beats(1000.0)
    beats.take(Word.START, 1001.0)
    beats.take(Word.START, 1002.0)
    beats.take(Word.OK, 1010.0)
    assert beats.seconds == 8.0
    beats.take(Word.OK, 1020.0)
    assert beats.seconds is None
    beats.take(Word.START, 1030.0)
    beats.take(Word.OK, 1040.0, seconds=4.5)
    assert beats.seconds == 4.5
    beats.take(Word.START, 1050.0)
    beats.take(Word.FAIL, 1060.0)
    beats.take(Word.OK, 1070.0)
    assert beats.seconds is None  # the failure took that start with it
