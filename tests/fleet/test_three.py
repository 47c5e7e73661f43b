"""Three real agents who ask each other, by a list of their addresses."""

import pytest

from tests.fleet.play import NOTICED, RECOVERED, SLACK, fleet, play

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def three():
    """The fleet; each test leaves it well."""
    with fleet(3, by="urls") as started:
        yield started


@pytest.mark.parametrize("how", ["refuse", "hang"])
def test_one_of_three_that_is_cut_off_leaves_and_comes_back(three, how):
    """It is out, the two others stay, and it is back once the way is mended."""
    mark = three.mark()
    getattr(three.ways, how)([1])
    three.until(lambda: three.watch.words()[1] == "unready", "it is out", NOTICED + SLACK)
    three.ways.open()
    three.until(lambda: three.watch.words()[1] != "unready", "it is back", RECOVERED + SLACK)
    three.settle()
    assert three.left(mark).keys() == {1}


@pytest.mark.parametrize("how", ["refuse", "hang"])
def test_none_of_three_leaves_in_a_shared_outage(three, how):
    """All three notice it, and all three stay, at recovery too."""
    mark = three.mark()
    play((0.0, getattr(three.ways, how)), (2 * NOTICED, three.ways.open))
    three.settle()
    assert not three.left(mark)
    assert three.noticed(mark) == 3
